"""The project: settings and urls of the guide's Django app."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
    sys.path.insert(0, str(Path(__file__).parent))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
