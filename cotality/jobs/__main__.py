"""``python -m cotality.jobs``: see ``--help``."""

import sys

from ._jobs.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
