"""`promptstone tune merge`: an adapter and its base as one model."""

from app.cli import state
from app.cli.show import Json, print_json, say
from app.cli.tune_job import job_named


def merge(name: str, json: Json = False) -> None:
    """Put a job's adapter into its base: a folder of full weights, which every server loads."""
    from tuning.merging import merge as make

    job = job_named(name)
    folder = make(state.settings().data, job, say)
    if json:
        print_json({"job": job.name, "folder": str(folder)})
    else:
        print(folder)
