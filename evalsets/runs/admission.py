"""What a call must pass before it is sent: the run's budget, then its model's gate."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from connectors.wire import Usage
from evalsets.runs.budget import Budget, Guesser
from evalsets.runs.lanes import Lane, Work
from evalsets.runs.ledger import ZERO
from evalsets.runs.ownership import Owned


class Admission:
    """The budget of a run, and what its calls will probably take."""

    def __init__(
        self, run: Owned, outputs: Sequence[int | None], exhausted: Callable[[], None]
    ) -> None:
        """`outputs`: what answers of each arm took before; `exhausted`: told of a spent budget."""
        self._arms = len(run.manifest.arms)
        known = outputs or [None] * self._arms
        self._guessers = [*map(Guesser, known), *(Guesser() for _ in run.manifest.judges)]
        spent = (run.tally.cost or ZERO) + (run.tally.judge_cost or ZERO) + run.maybe_paid
        self.budget = Budget(run.budget, spent)
        self._exhausted = exhausted

    async def afford(self, lane: Lane, work: Work) -> bool:
        """Set aside what the call will probably cost; False without the budget, or at a stop."""
        work.tokens = 0
        if self.budget.total is None and lane.gate.limits.tpm is None:
            return True
        guess = self._guesser(work).guess(work.request)
        work.tokens = sum(guess)
        return await self._afford(work, guess.cost(lane.model.price))

    async def enter(self, lane: Lane, work: Work) -> bool:
        """Pass the model's gate; False when the work must not be sent now."""
        entered = await lane.gate.acquire(work.tokens)
        if entered and lane.stopped:
            lane.gate.release(None, work.tokens)
            return False
        return entered

    async def _afford(self, work: Work, cost: Decimal) -> bool:
        while not self.budget.admits(cost):
            if not work.lane.stopped and self.budget.reserved <= 0:
                self._exhausted()
            if work.lane.stopped:
                return False
            await self.budget.changed()
        work.cost = cost
        self.budget.reserve(cost)
        return True

    def spend(self, work: Work, cost: Decimal) -> None:
        """What was set aside for a call becomes what it took."""
        self.budget.settle(work.cost, cost)
        work.cost = ZERO

    def learn(self, work: Work, usage: Usage) -> None:
        """Guess better after an answer, where anybody asks."""
        if work.tokens:
            self._guesser(work).learn(work.request, usage)

    def _guesser(self, work: Work) -> Guesser:
        return self._guessers[work.arm if work.judge is None else self._arms + work.judge]
