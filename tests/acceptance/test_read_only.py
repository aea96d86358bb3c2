"""The whole way as the image runs it: a root that cannot be written, another user, no rights at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.depth import DEEP

ROOT = Path(__file__).parents[2]
USER = 10001
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not DEEP or os.geteuid() != 0
        or not shutil.which("unshare") or not shutil.which("setpriv"),
        reason="only deep, as root, on Linux",
    ),
]  # fmt: skip

# A namespace of its own: nothing of this machine is changed, and all of it is read-only.
CLOSE = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir /run/stone /run/stone/data /run/stone/base /run/stone/tree
chown {user}:{user} /run/stone/data
mount --bind {base} /run/stone/base
mount --bind {root} /run/stone/tree
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs /tmp
mount -t tmpfs -o mode=0755 tmpfs /root
mkdir -p {base} {root}
mount --bind /run/stone/base {base}
mount --bind /run/stone/tree {root}
for place in {base} {root} /; do mount -o remount,bind,ro $place; done
cd {root}
exec setpriv --reuid {user} --regid {user} --clear-groups --bounding-set=-all --inh-caps=-all \\
  --no-new-privs env -i HOME=/tmp PATH={bin}:/usr/bin:/bin PROMPTSTONE_DATA_DIR=/run/stone/data \\
  PROMPTSTONE_HOST=0.0.0.0 PYTHONDONTWRITEBYTECODE=1 bash -c "$1"
"""
WAY = """
set -e
! touch ./here 2> /dev/null
! touch /usr/here 2> /dev/null
grep -q 'CapEff:.0000000000000000' /proc/self/status
stone="python -m app.cli.main"
$stone up --port 0 > /tmp/said & server=$!
for n in $(seq 120); do grep -q 'Sign in' /tmp/said && break; sleep 0.5; done
$stone prompt push examples/news-1.prompty
$stone dataset grid people --axis topic=tea,cats --axis style=factual --axis audience=children
$stone run start --prompt news --model demo --dataset people --param max_tokens=8 --wait
mkdir /tmp/docs && echo '# Hours' > /tmp/docs/hours.md
$stone kb create manual
$stone kb add manual /tmp/docs --wait
$stone kb search manual hours
$stone doctor
kill $server && wait $server
find /tmp -type f -not -path '/tmp/docs/*' -not -path /tmp/said
"""


def test_only_the_data_folder_and_tmp_are_written():
    base = Path(sys.base_prefix)
    script = CLOSE.format(user=USER, base=base, root=ROOT, bin=Path(sys.executable).parent)
    done = subprocess.run(
        ["unshare", "--mount", "--fork", "bash", "-c", script, "bash", WAY],
        capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "completed: 1 documents" in done.stdout
    assert "hours.md" in done.stdout
    assert "/tmp/" not in done.stdout.rpartition("demo model")[2]
