"""How many calls a minute and how many at once: a token bucket, and a window that learns. Pure."""

_GAIN = 0.25


class Bucket:
    """A token bucket that may go into debt once, so that a call larger than it is still sent.

    It holds one second's worth, so that a minute never sees more than the rate and that second.
    """

    def __init__(self, per_minute: int | None, now: float) -> None:
        self.per_minute = per_minute
        self._level = self._capacity = max(1.0, (per_minute or 0) / 60)
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken; 0 when it may now."""
        if self.per_minute is None:
            return 0.0
        rate = self.per_minute / 60
        self._level = min(self._capacity, self._level + (now - self._at) * rate)
        self._at = now
        lacking = min(amount, self._capacity) - self._level
        return lacking / rate if lacking > 1e-9 else 0.0

    def take(self, amount: float) -> None:
        """Spend `amount`; a negative amount gives back what was estimated too high."""
        self._level = min(self._capacity, self._level - amount)


class Window:
    """How many calls may be in flight, learned from 429s.

    Additive increase; the decrease follows the share of 429s in the last windowful, as DCTCP
    does with marks (RFC 8257, eq. 1 and 2): a few random 429s cost little, a wall of them halves.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = float(most)
        self._share = 0.5
        self._seen = self._limited = 0

    def resize(self, most: int) -> None:
        """A new upper bound; raising it lets the window grow at once."""
        self.size = float(most) if most > self.most else min(self.size, float(most))
        self.most = most

    def note(self, limited: bool) -> None:
        """One answer came back, as a 429 or not."""
        self._seen += 1
        self._limited += limited
        if self._seen < self.size:
            return
        share = self._limited / self._seen
        self._share += _GAIN * (share - self._share)
        if self._limited:
            self.size = max(1.0, self.size * (1 - self._share / 2))
        if share < 1:
            self.size = min(float(self.most), self.size + 1)
        self._seen = self._limited = 0
