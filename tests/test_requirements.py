"""The lock: every package pinned with hashes, none that is known to be bad, none below its floor."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

REQUIREMENTS = Path(__file__).parent.parent / "requirements"
FLOORS = {
    "jinja2": "3.1.6",
    "starlette": "1.1.0",
    "python-multipart": "0.0.27",
    "streamlit": "1.54",
    "pysqlite3": "0.6.1",
}
BAD = {"litellm", "telnyx", "ragas", "pysqlite3-binary", "passlib"}


def problems(lock: str) -> list[str]:
    """What is wrong with the text of a lock file."""
    found: list[str] = []
    for block in re.split(r"\n(?=[a-z0-9])", lock.strip()):
        line = block.split("\\")[0].split(" #")[0].strip()
        requirement = Requirement(line)
        pins = [spec for spec in requirement.specifier if spec.operator == "=="]
        if len(pins) != 1:
            found.append(f"{requirement.name} is not pinned")
            continue
        if "--hash=sha256:" not in block:
            found.append(f"{requirement.name} has no hash")
        if requirement.name in BAD:
            found.append(f"{requirement.name} is known to be bad")
        floor = FLOORS.get(requirement.name)
        if floor and Version(pins[0].version) < Version(floor):
            found.append(f"{requirement.name} is below {floor}")
    return found


@pytest.mark.parametrize("name", ["base.txt", "test.txt"])
def test_the_lock_is_whole(name: str) -> None:
    lock = (REQUIREMENTS / name).read_text()
    assert problems(lock) == []
    assert len(re.findall(r"^[a-z0-9].*==", lock, re.MULTILINE)) > 90


HASH = " \\\n    --hash=sha256:00\n"


@pytest.mark.parametrize(
    "lock",
    ["a==1\n", "a>=1" + HASH, "litellm==1.82.7" + HASH, "jinja2==3.1.5" + HASH],
)
def test_the_check_sees(lock: str) -> None:
    assert problems(lock)
