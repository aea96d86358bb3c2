# What we use of torch; its own sources take a type checker many seconds.
from typing import Any

from . import nn as nn

def __getattr__(name: str) -> Any: ...
