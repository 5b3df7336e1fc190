"""Has a process of `multiprocessing` started by our fork server."""

from __future__ import annotations

import io
import os
import sys
from multiprocessing import popen_fork, reduction, spawn
from multiprocessing import util as mp_util
from typing import Any

from cotality._kit.standard_places import duplicate
from cotality.core.utils._process.machine.readable import is_readable
from cotality.core.utils._process.starting.measured import STANDARD_KEYS

from .current import connect_to_new_process
from .inherited import Inherited
from .protocol import UNKNOWN, read_number

# Any: typeshed leaves out what is used here.
util: Any = mp_util
context: Any = sys.modules["multiprocessing.context"]


class Popen(popen_fork.Popen):
    """As the one for a fork server of `multiprocessing`, whose import takes 8 ms."""

    method = "forkserver"
    DupFd = Inherited

    def __init__(self, process_obj: Any) -> None:  # Any: the standard signature
        self._fds: list[int] = []
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        self._fds.append(fd)
        return len(self._fds) - 1

    def _launch(self, process_obj: Any) -> None:  # Any: as above
        content = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            data = spawn.get_preparation_data(process_obj.name)
            reduction.ForkingPickler(content).dump(data)
            reduction.ForkingPickler(content).dump(process_obj)
        finally:
            context.set_spawning_popen(None)
        is_watched = bool(data.keys() - STANDARD_KEYS)
        self.pid, self.sentinel, to_child = connect_to_new_process(
            self._fds, is_watched
        )
        # The child's sign that its parent lives, as in the standard class.
        alive = duplicate(to_child)
        self.finalizer = util.Finalize(self, util.close_fds, (alive, self.sentinel))
        with open(to_child, "wb", closefd=True) as pipe:
            pipe.write(content.getbuffer())

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            if not is_readable(self.sentinel, 0 if flag == os.WNOHANG else None):
                return None
            try:
                self.returncode = read_number(self.sentinel)
            except (OSError, EOFError):
                self.returncode = UNKNOWN
        return self.returncode
