# What we use of torch; its own sources take a type checker many seconds.
from . import nn as nn
