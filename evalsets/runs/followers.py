"""Equal calls of one run: the first is sent, the others wait for its answer."""

from evalsets.runs.lanes import Work


class Followers:
    """Work by request key: who leads, and who waits for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self._by_key: dict[str, list[Work]] = {}

    def lead(self, work: Work) -> None:
        """Its call is going to be sent."""
        self._by_key[work.key] = []

    def join(self, work: Work) -> bool:
        """Wait for an equal call that is on its way; False when there is none."""
        followers = self._by_key.get(work.key)
        if followers is None:
            return False
        followers.append(work)
        work.lane.unsettled += 1
        self.waiting += 1
        return True

    def released(self, work: Work) -> list[Work]:
        """Those who waited for a call whose answer is committed."""
        followers = self._by_key.pop(work.key, [])
        self.waiting -= len(followers)
        return followers

    def pass_on(self, work: Work) -> None:
        """A call that failed for good: the next one that waits is sent instead."""
        followers = self.released(work)
        if followers:
            first, *others = followers
            self._by_key[work.key] = others
            self.waiting += len(others)
            first.lane.again(first)
