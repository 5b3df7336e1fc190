"""A server that a program starts, such as the first process of a web server."""

from __future__ import annotations

import os
import select
from pathlib import Path
from time import perf_counter, sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cotality._kit.public import public_in
from cotality.core.hosting import (
    Boards,
    Inbox,
    LinkEnd,
    Message,
    framed,
    start_hosted,
    unpack_exception,
)
from cotality.core.machine import at_exit
from cotality.core.utils.process import WorkerStartError
from cotality.flow._flow.flows.client import VARIABLE, FlowClient
from cotality.flow._flow.flows.flow import Flow
from cotality.flow._flow.router.hall import Doors

from . import supervisor
from .listener import Listener, default_path

if TYPE_CHECKING:
    from typing import Self

In = TypeVar("In")
Out = TypeVar("Out")
A = TypeVar("A")
B = TypeVar("B")

STOP_EXTRA = 5.0  # s beyond the grace that it gets to end before it is killed
END_PAUSE = 0.005  # s between two looks whether it has ended
LATE_AFTER = 1.0  # s after which whoever could tell how it ended has had time to
WAIT_SLICE = 0.2  # s; a longer wait for the link could not be interrupted everywhere

public = public_in("cotality.flow")


@public
class FlowServer(Generic[In, Out]):
    """Serves a flow at a Unix socket, for any number of programs of this user.

    The server is a process of its own, which keeps the router and the workers of the
    flow alive. It ends with the program that started it, however that ends.

    Attributes:
        path: The path of the socket, which only this user can open.
        pid: The id of the process that keeps the router.
    """

    path: Path
    pid: int

    def __init__(
        self,
        flow: Flow[In, Out],
        socket: str | os.PathLike[str] | None = None,
        *,
        allow_uids: tuple[int, ...] | None = None,
        timeout: float | None = None,
    ) -> None:
        plan = flow.plan()
        name = f"{flow.steps[0].name}-{os.getpid()}"
        path = default_path(name) if socket is None else Path(socket)
        uids = (os.getuid(),) if allow_uids is None else tuple(allow_uids)
        self._owner = os.getpid()
        self._boards = Boards(1)
        self._listener = Listener(path.absolute())
        self.path = self._listener.path
        assert self._listener.end is not None
        try:
            self._hosted = start_hosted(
                supervisor.main,
                (plan, Doors(LinkEnd(self._listener.end), None, uids)),
                self._boards,
                name="cotality-flow-server",
            )
        except BaseException:
            self._listener.remove()
            self._boards.close()
            raise
        self._listener.close()
        self.pid = self._hosted.pid
        self._is_stopped = False
        servers.add(self)
        at_exit(stop_all)
        try:
            self._wait_until_up(timeout)
        except BaseException:
            self.stop(0.0)
            raise
        os.environ[VARIABLE] = str(self.path)

    @classmethod
    def serve(
        cls,
        flow: Flow[A, B],
        socket: str | os.PathLike[str] | None = None,
        *,
        allow_uids: tuple[int, ...] | None = None,
        timeout: float | None = None,
    ) -> FlowServer[A, B]:
        """Serve *flow*, and return once every step has a worker that is ready.

        For this program and its children, ``COTALITY_FLOW_SOCKET`` is set to the path,
        where a `FlowClient` finds it.

        Args:
            flow: A flow that does not run otherwise.
            socket: The path of the socket; None makes one in the runtime folder of the
                user. The folder has to belong to this user alone, and is created if it
                is missing.
            allow_uids: The users that may connect; None for this one.
            timeout: How many seconds the start may take; None sets no limit.

        Raises:
            WorkerStartError: The handler of a step could not start.
            FlowError: Another flow is served at that socket already.
            PermissionError: Other users could change the content of its folder.
            TimeoutError: It took too long.
        """
        return FlowServer(flow, socket, allow_uids=allow_uids, timeout=timeout)

    def __repr__(self) -> str:
        return f"<FlowServer at {self.path}>"

    def client(self) -> FlowClient[In, Out]:
        """A client of it."""
        return FlowClient(self.path)

    def _wait_until_up(self, timeout: float | None) -> None:
        end = None if timeout is None else perf_counter() + timeout
        message = self._first_message(end)
        if message is None:
            raise WorkerStartError(
                f"the server of the flow has ended at its start. "
                f"{self._hosted.ending()}"
            )
        if message.kind == supervisor.FAILED:
            raise unpack_exception(message.body)

    def _first_message(self, end: float | None) -> Message | None:
        """What the server says; None if it ends before it says anything."""
        inbox = Inbox()
        poll = select.poll()
        poll.register(self._hosted.link, select.POLLIN)
        while True:
            if end is not None and perf_counter() >= end:
                raise TimeoutError("the flow was not ready in time")
            if not poll.poll(WAIT_SLICE * 1000):
                continue
            try:
                messages = inbox.read(self._hosted.link)
            except BlockingIOError:
                continue
            except (EOFError, OSError):
                self._wait_for_end(perf_counter() + STOP_EXTRA)
                return None
            if messages:
                return messages[0]

    def stop(self, grace: float = 5.0) -> None:
        """End the server: waiting items fail, those being handled get *grace* seconds.

        It does nothing in a fork of the program that started the server.
        """
        if self._is_stopped or self._owner != os.getpid():
            return
        self._is_stopped = True
        try:
            message = framed(supervisor.STOP, b"", False, max(0, int(grace * 1000)))
            self._hosted.link.send(message)
        except OSError:
            pass  # it has ended
        if not self._wait_for_end(perf_counter() + grace + STOP_EXTRA):
            self._hosted.kill("stopped")
            self._wait_for_end(perf_counter() + STOP_EXTRA)
        self._hosted.close()
        self._listener.remove()
        self._boards.close()
        servers.discard(self)
        if os.environ.get(VARIABLE) == str(self.path):
            del os.environ[VARIABLE]

    def _wait_for_end(self, until: float) -> bool:
        late_at = perf_counter() + LATE_AFTER
        while not self._hosted.has_ended(is_late=perf_counter() >= late_at):
            if perf_counter() >= until:
                return False
            sleep(END_PAUSE)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.stop()


# For the end of the program: a socket is not to be left.
servers: set[FlowServer[Any, Any]] = set()  # Any: of any flow


def stop_all() -> None:
    for server in list(servers):
        server.stop(1.0)
