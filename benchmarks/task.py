"""The work that every subject does."""

IN_FLIGHT = 64
PROMPT = "Write one sentence about {{ topic }} for a reader of the {{ paper }}."


def case(number: int) -> dict[str, str]:
    """The values of one call."""
    return {"topic": f"topic {number}", "paper": "Daily News"}
