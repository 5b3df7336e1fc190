"""A module whose import fails in workers, and nowhere else."""

import os

if "COTALITY_JOBS_URL" in os.environ:
    raise ImportError("this module is broken")
