"""The examples, run from a checkout: ``python process_examples.py --help``."""

import sys

from cotality.core.utils.process_examples import program

if __name__ == "__main__":
    sys.exit(program())
