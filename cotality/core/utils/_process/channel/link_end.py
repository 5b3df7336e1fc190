"""How the worker's end of its link gets into the worker.

`multiprocessing` would pickle the socket with its family, its type and its class. These
are different where a library has replaced the module `socket`, as eventlet does.
"""

from __future__ import annotations

import socket
import sys
from multiprocessing import reduction
from typing import Any


class LinkEnd:
    """Pickled as the descriptor alone, where a descriptor can travel."""

    end: socket.socket

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def __getstate__(self) -> Any:  # Any: what stands for it on this platform
        return (
            self.end if sys.platform == "win32" else reduction.DupFd(self.end.fileno())
        )

    def __setstate__(self, state: Any) -> None:  # Any: as above
        is_socket = isinstance(state, socket.socket)
        self.end = state if is_socket else socket.socket(fileno=state.detach())
