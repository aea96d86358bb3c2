"""Memory that is free goes back to the system."""

import subprocess
import sys

import pytest

_CODE = """
from app.server.heap import keep_little, trim
def resident(): return int(open("/proc/self/statm").read().split()[1]) * 4096
if {kept}:
    keep_little()
taken = [bytes(2000) for _ in range(30_000)]
pinned = bytes(2000)
most = resident()
del taken
if {kept}:
    trim()
print((most - resident()) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is asked")
def test_what_is_free_goes_back() -> None:
    def given_back(kept: bool) -> int:
        code = _CODE.format(kept=kept)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert given_back(kept=True) > 40
    assert given_back(kept=False) < 40, "without it the allocator keeps it"
