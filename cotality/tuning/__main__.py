"""``python -m cotality.tuning``: see ``--help``."""

import sys

from ._tuning.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
