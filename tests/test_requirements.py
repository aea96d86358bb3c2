"""The lock: every package pinned with hashes, none that is known to be bad, none below its floor."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tuning.environment import TORCH

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


def test_the_lock_of_the_trainer_is_whole_and_shares_what_it_can() -> None:
    """What both environments have is the same version, so that it is installed once."""
    pins = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
    locks = [(REQUIREMENTS / name).read_text() for name in ("tuning.txt", "base.txt")]
    assert problems(locks[0]) == []
    trainer, base = (set(pins.findall(lock)) for lock in locks)
    names = {name for name, _ in base}
    assert {pin for pin in trainer if pin[0] in names} <= base
    assert {"trl", "peft", "transformers"} <= {name for name, _ in trainer}
    makefile = (REQUIREMENTS.parent / "Makefile").read_text()
    assert f"TORCH := {TORCH}\n" in makefile


HASH = " \\\n    --hash=sha256:00\n"


@pytest.mark.parametrize(
    "lock",
    ["a==1\n", "a>=1" + HASH, "litellm==1.82.7" + HASH, "jinja2==3.1.5" + HASH],
)
def test_the_check_sees(lock: str) -> None:
    assert problems(lock)


def _wheel(folder: Path) -> Path:
    """A package of one empty module."""
    file = folder / "tiny_stone-1.0-py3-none-any.whl"
    info = "tiny_stone-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("tiny_stone.py", "")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-stone\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return file


def test_a_package_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    """With the options of the Makefile, and a package that is here already."""
    makefile = (REQUIREMENTS.parent / "Makefile").read_text()
    installs = [line for line in makefile.splitlines() if "install" in line and "-r req" in line]
    assert installs
    assert all("--require-hashes" in line for line in installs)
    wheel, lock = _wheel(tmp_path), tmp_path / "lock.txt"
    good = hashlib.sha256(wheel.read_bytes()).hexdigest()
    install = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--no-index",
               "--disable-pip-version-check", "--find-links", str(tmp_path), "-r", str(lock)]  # fmt: skip
    for digest, taken in (("0" * 64, False), (good, True)):
        lock.write_text(f"tiny-stone==1.0 --hash=sha256:{digest}\n")
        done = subprocess.run(
            [*install, "--target", str(tmp_path / "out")], capture_output=True, text=True
        )
        assert (done.returncode == 0) is taken, done.stderr
        assert (tmp_path / "out" / "tiny_stone.py").exists() is taken
