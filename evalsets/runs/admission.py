"""What a call must pass before it is sent: the run's budget, then its model's gate."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from connectors.wire import Usage
from evalsets.runs.budget import Budget, Guesser
from evalsets.runs.lanes import Lane, Work
from evalsets.runs.ledger import ZERO
from evalsets.runs.ownership import Owned

JUDGES_SPENT = (
    "The budget of the judges is spent. `promptstone run resume ID --judge-budget USD` goes on."
)


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
        judged = (run.tally.judge_cost or ZERO) + run.judges_maybe_paid
        self.judging = Budget(run.manifest.judge_budget, judged)
        self._exhausted = exhausted

    async def afford(self, lane: Lane, work: Work) -> bool:
        """Set aside what the call will probably cost; False without the budget, or at a stop.

        `refused` is set where it is only the budget of the judges that is spent.
        """
        work.tokens, work.refused = 0, None
        if lane.gate.limits.tpm is None and not any(b.total for b in self._budgets(work)):
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
        while tight := next((b for b in self._budgets(work) if not b.admits(cost)), None):
            if work.lane.stopped:
                return False
            if tight.reserved <= 0:
                if tight is self.judging:
                    work.refused = JUDGES_SPENT
                    return False
                self._exhausted()
                return False
            await tight.changed()
        work.cost = cost
        for budget in self._budgets(work):
            budget.reserve(cost)
        return True

    def _budgets(self, work: Work) -> tuple[Budget, ...]:
        """The judges' own first: when it is spent, the run goes on without them."""
        return (self.budget,) if work.judge is None else (self.judging, self.budget)

    def wake(self) -> None:
        """Let everybody who waits for money look again."""
        self.budget.wake()
        self.judging.wake()

    def spend(self, work: Work, cost: Decimal) -> None:
        """What was set aside for a call becomes what it took."""
        for budget in self._budgets(work):
            budget.settle(work.cost, cost)
        work.cost = ZERO

    def learn(self, work: Work, usage: Usage) -> None:
        """Guess better after an answer, where anybody asks."""
        if work.tokens:
            self._guesser(work).learn(work.request, usage)

    def _guesser(self, work: Work) -> Guesser:
        return self._guessers[work.arm if work.judge is None else self._arms + work.judge]
