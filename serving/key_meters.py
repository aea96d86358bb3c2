"""All that one process holds of one key's limits, and what of it has to go back."""

from dataclasses import dataclass, field

from serving.allotments import (
    LONG_AGO,
    METERS,
    MINUTES_A_DAY,
    STREAMS,
    Allotment,
    Amounts,
    Return,
)
from serving.keys import COST, LiveKey

IDLE_SECONDS = 0.75
RENEW_SECONDS = 5.0
Gates = tuple[Allotment, ...]
"""The limits that a key has."""


@dataclass(slots=True, eq=False)
class KeyMeters:
    """All allotments of one key: `gates` those with a limit, `day` what it cost today.

    `old` are days that passed while calls were under way.
    """

    key: LiveKey
    day: Allotment = field(default_factory=lambda: Allotment(METERS.index(COST), -1))
    gates: Gates = ()
    old: list[Allotment] = field(default_factory=list[Allotment])
    minute: int = -1
    under_way: int = 0
    asking: bool = False
    renewed: float = LONG_AGO

    def turn(self, key: LiveKey, minute: int) -> None:
        """Begin the windows of this minute, under the limits that the key has now."""
        known = {(one.at, one.window): one for one in (self.day, *self.gates)}
        limits = (key.rpm, key.tpm, key.budget_nano, key.streams)
        today = minute // MINUTES_A_DAY
        windows = (minute, minute, today, 0)
        found: list[Allotment] = []
        for place, (limit, window) in enumerate(zip(limits, windows, strict=True)):
            one = known.pop((place, window), None) or Allotment(place, window)
            one.limit = limit or 0
            if METERS[place] == COST:
                self.day = one
            if limit is not None:
                found.append(one)
        self.old += [one for one in known.values() if one.meter == COST and one.window >= 0]
        self.key, self.minute, self.gates = key, minute, tuple(found)

    def take(self, gates: Gates, amounts: Amounts, now: float) -> None:
        """A call goes ahead with what it may need."""
        self.under_way += 1
        for one in gates:
            if amounts[one.at]:
                one.take(amounts[one.at], now)

    def settle(self, gates: Gates, taken: Amounts, used: Amounts, now: float) -> None:
        """A call has ended, having used less or more than was taken for it."""
        self.under_way -= 1
        for one in gates:
            if rest := taken[one.at] - used[one.at]:
                one.put_back(rest, now)

    def fits(self, amounts: Amounts) -> bool:
        """Whether memory alone can admit a call."""
        return all(amounts[one.at] <= max(0, one.have) for one in self.gates)

    def lacking(self, amounts: Amounts, since: float) -> Allotment | None:
        """A limit that the tables, as seen after `since`, cannot meet either."""
        for one in self.gates:
            need = amounts[one.at]
            known = one.seen >= since
            if need > one.limit or (known and need > max(0, one.have + one.left)):
                return one
        return None

    def returns(self, now: float, minute: int, *, all_of_it: bool, notes: bool) -> list[Return]:
        """What goes back to the tables, taken out of memory: what lies idle, and all debts.

        While a request for more is under way the limits are left to it. `notes`: also what a key
        without a budget spent.
        """
        found: list[Return] = []
        for one in self.old if self.asking else (*self.old, *self.gates):
            if one.meter == STREAMS:
                unused = one.have if all_of_it else max(0, min(one.low, one.have))
            elif one.is_past(minute) and one.meter != COST:
                one.have = unused = 0
            else:
                idle = all_of_it or one.is_past(minute) or now - one.touched >= IDLE_SECONDS
                unused = one.have if idle else min(0, one.have)
            if unused:
                found.append(one.give_back(unused))
            one.low = one.have
        if self.day.have and self.key.budget_nano is None and (notes or all_of_it):
            found.append(self.day.give_back(self.day.have))
        self.old = [one for one in self.old if one.have or self.under_way]
        return found

    def lease(self, now: float, *, changed: bool, ending: bool) -> int | None:
        """How many streams the lease has to say, if it is time to write it."""
        streams = next((one for one in self.gates if one.meter == STREAMS), None)
        if streams is None or self.asking or not (streams.held or changed):
            return None
        if ending:
            return 0
        return streams.held if changed or now - self.renewed >= RENEW_SECONDS else None

    def forget(self) -> None:
        """The key is gone, and with it what it held and owed."""
        self.day = Allotment(METERS.index(COST), -1)
        self.gates, self.old, self.minute = (), [], -1

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held, owed or under way, so that it can be forgotten."""
        empty = not any(one.have or one.held for one in (*self.gates, self.day))
        return empty and not (self.under_way or self.asking or self.old)
