"""``python -m cotality.flow``: see ``--help``."""

import sys

from ._flow.serving.command_line import main

if __name__ == "__main__":
    sys.exit(main())
