"""`promptstone tune merge`: an adapter and its base as one model."""

from app.cli import state
from app.cli.show import Json, print_json, say


def merge(name: str, json: Json = False) -> None:
    """Put a job's adapter into its base: a folder of full weights, which every server loads."""
    from tuning.jobs import get
    from tuning.merging import merge as make

    data = state.settings().data
    with state.reading() as session:
        job = get(session, data, name)
    folder = make(data, job, say)
    if json:
        print_json({"job": job.name, "folder": str(folder)})
    else:
        print(folder)
