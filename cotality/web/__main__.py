"""``python -m cotality.web``: see ``--help``."""

import sys

from ._web.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
