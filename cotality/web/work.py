"""The jobs of the service, for a worker that somebody else keeps.

::

    COTALITY_WEB_WORKERS=outside python -m cotality.web
    python -m cotality.jobs worker cotality.web.work:jobs

The settings are read from the environment, ``COTALITY_WEB_...``: give both the same.
``--queue tasks=8 --queue comparisons=1 --queue samples=2`` says how many tasks run at a
time. All other commands of :mod:`cotality.jobs` look after these jobs as well.
"""

from cotality.jobs import Jobs

from ._web.settings.settings import Settings
from ._web.work.functions import TaskJobs

tasks: TaskJobs = TaskJobs(Settings())
tasks.make_folder()  # a worker may be there before the service
jobs: Jobs = tasks.jobs

__all__ = ["jobs"]
