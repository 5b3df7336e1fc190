"""The examples, run by ``python -m``."""

import sys

from . import program

if __name__ == "__main__":
    sys.exit(program())
