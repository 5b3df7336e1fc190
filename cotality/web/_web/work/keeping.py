"""One worker for a store on this machine, however many web processes there are.

The web process that has the lock keeps the worker, which holds the lock as well. So if
that process is killed, another one takes over once its worker has ended, and not
before. The others try again each second.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from cotality._kit.standard_places import fill
from cotality._kit.struck import is_of_a_signal

from .process import WorkerProcess
from .silence import Silence

if TYPE_CHECKING:
    from cotality.web._web.settings.settings import Settings

logger = logging.getLogger("cotality.web")

LOOK_S = 0.1  # whether the worker is still there
AGAIN_S = 1.0  # whether somebody else still keeps it
SHORT_S = 5.0  # a life after which it is not begun again at once
LONGEST_PAUSE_S = 10.0


class Keeper:
    """A thread that keeps the worker, or waits for its turn, from `start` to `stop`."""

    ending: threading.Event
    thread: threading.Thread
    began: float
    pause_s: float
    silence: Silence

    def __init__(self, settings: Settings) -> None:
        if sys.platform == "win32":
            raise RuntimeError(
                "a worker inside the service needs locks and pipes of POSIX: say "
                "workers='outside' and run "
                "python -m cotality.jobs worker cotality.web.work:jobs"
            )
        self.settings = settings
        self.ending = threading.Event()
        self.lock: int | None = None
        self.worker: WorkerProcess | None = None
        self.silence = Silence()
        self.pause_s = 0.0  # before the next one
        self.began = 0.0
        self.thread = threading.Thread(target=self.keep, name="web-keeper", daemon=True)

    @property
    def pid(self) -> int | None:
        """Of the worker, if it is this process that keeps it and it runs."""
        worker = self.worker
        return None if worker is None or worker.exit_code is not None else worker.pid

    def hear(self, is_alive: bool | None) -> None:
        """Be told whether a worker has given a sign of life; None if nobody knows."""
        self.silence.hear(is_alive)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """End the worker, if it is kept here; what it has not finished goes back."""
        self.ending.set()
        if self.thread.ident is not None:
            self.thread.join()

    def keep(self) -> None:
        try:
            while not self.ending.wait(self.step()):
                pass
        finally:
            if self.worker is not None:
                self.worker.stop()
            if self.lock is not None:
                os.close(self.lock)

    def step(self) -> float:
        """Do what is to be done now; seconds until the next step."""
        try:
            if self.lock is None:
                self.lock = taken(self.settings)
            if self.lock is None:
                return AGAIN_S
            return self.look_after(self.lock)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            logger.error("the worker could not be started: %s", error)
            return AGAIN_S

    def look_after(self, lock: int) -> float:
        if self.worker is None:
            self.worker, self.began = (
                WorkerProcess(self.settings, lock),
                time.monotonic(),
            )
            self.silence = Silence()
            return LOOK_S
        code = self.worker.exit_code
        if code is None:
            if self.silence.is_too_long:
                logger.error(
                    "the worker %d lives, but gives no sign of it, and is killed",
                    self.worker.pid,
                )
                self.worker.kill()
            return LOOK_S
        lived = time.monotonic() - self.began
        is_short = lived < SHORT_S
        self.pause_s = min(LONGEST_PAUSE_S, 2 * self.pause_s + 0.1) if is_short else 0.0
        logger.error(
            "the worker %d has ended (%s) after %.1f s, and is started again in %.1f s",
            *(self.worker.pid, code, lived, self.pause_s),
        )
        self.worker.let_go()
        self.worker = None
        return self.pause_s


def taken(settings: Settings) -> int | None:
    """A descriptor that has the lock now; None if somebody else has it."""
    import fcntl

    file = settings.worker_lock
    file.parent.mkdir(parents=True, exist_ok=True)
    fill()
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
