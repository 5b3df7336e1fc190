"""Who is at the other end of a connection."""

from __future__ import annotations

import socket
import struct
import sys

LINUX = struct.Struct("=iII")  # pid, uid, gid
# struct xucred of BSD and macOS: version, uid, and more.
BSD = struct.Struct("=Ii")
LOCAL_PEERCRED = 1


def uid_of(end: socket.socket) -> int | None:
    """The user id of the process that has connected; None where nobody tells."""
    try:
        if hasattr(socket, "SO_PEERCRED"):
            data = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, LINUX.size)
            uid: int = LINUX.unpack(data)[1]
            return uid
        if sys.platform == "darwin":
            data = end.getsockopt(0, LOCAL_PEERCRED, 76)
            return int(BSD.unpack_from(data)[1])
    except (OSError, struct.error):
        pass  # it has gone already; who is not known is not let in
    return None
