"""The worker as a process: how it begins, and how it learns that nobody needs it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from cotality._kit.standard_places import pipe
from cotality.web._web.settings.settings import PREFIX

from .queues import COMPARISONS, SAMPLES, TASKS

if TYPE_CHECKING:
    from cotality.web._web.settings.settings import Settings

logger = logging.getLogger("cotality.web")

# What a worker needs to know of the settings; it gets no keys.
KNOWN = (
    "store_url",
    "db_url",
    "redis_url",
    "db_delay_s",
    "compare_budget_s",
    "keep_s",
)
SAMPLES_AT_ONCE = 2
TO_END_S = 5.0  # beyond its grace, before it is killed


class WorkerProcess:
    """``python -m cotality.jobs worker``, until it is stopped or this process ends.

    Args:
        settings: Of the service.
        lock: The descriptor of a lock, which the worker holds as long as it lives.
    """

    grace_s: float
    process: subprocess.Popen[bytes]
    ours: int

    def __init__(self, settings: Settings, lock: int) -> None:
        self.grace_s = settings.grace_s
        theirs, self.ours = pipe()
        try:
            self.process = subprocess.Popen(
                [*command(settings), "--while-open", f"{theirs}"],
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=2,  # among all that the service says of itself
                pass_fds=[theirs, lock],
                start_new_session=True,  # Ctrl-C is for who keeps it
            )
        except BaseException:
            os.close(self.ours)
            raise
        finally:
            os.close(theirs)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Let it end its tasks, and wait for that."""
        self.let_go()
        try:
            self.process.wait(self.grace_s + TO_END_S)
        except subprocess.TimeoutExpired:
            logger.error("the worker %d did not end in time, and is killed", self.pid)
            self.process.kill()
            self.process.wait()

    def kill(self) -> None:
        """End it at once, whatever it does; others go on with its tasks."""
        self.process.kill()

    def let_go(self) -> None:
        """Tell it that nobody needs it any more."""
        if self.ours >= 0:
            os.close(self.ours)
        self.ours = -1


def command(settings: Settings) -> list[str]:
    queues = {
        TASKS: settings.tasks_at_once,
        COMPARISONS: 1,
        SAMPLES: SAMPLES_AT_ONCE,
    }
    served = [f"--queue={name}={slots}" for name, slots in queues.items()]
    return [
        *(sys.executable, "-m", "cotality.jobs", "worker", "cotality.web.work:jobs"),
        *served,
        f"--grace={settings.grace_s}",
    ]


def environment(settings: Settings) -> dict[str, str]:
    """That of this process, with the settings as they are here."""
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(PREFIX)
    }
    given = {name: getattr(settings, name) for name in KNOWN}
    given["state_dir"] = settings.state_dir.absolute()
    return others | {
        f"{PREFIX}{name.upper()}": f"{value}"
        for name, value in given.items()
        if value is not None
    }
