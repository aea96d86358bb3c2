"""How deep the tests of this run go: `make test-deep` repeats what `make test` shows once."""

import os

import pytest

DEEP = bool(os.environ.get("PROMPTSTONE_TEST_DEEP"))
deep_only = pytest.mark.skipif(not DEEP, reason="only in `make test-deep`")
