"""A flow that another process serves."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cotality._kit.public import public_in
from cotality.core.machine import notice_fork
from cotality.flow._flow.clients.entrance import ByPath
from cotality.flow._flow.wire import notes

from .calling import CONTROL_EXTRA, Calls
from .connections import Connections

if TYPE_CHECKING:
    from typing import Self

In = TypeVar("In")
Out = TypeVar("Out")

# Where a server of this program, or of the one that has started it, is to be found.
VARIABLE = "COTALITY_FLOW_SOCKET"

public = public_in("cotality.flow")


@public
class FlowClient(Calls[In, Out], Generic[In, Out]):
    """Sends items to a flow that a `FlowServer`, or the command line, serves.

    It connects when it is first used, once in each event loop, and again if the
    connection is lost. After a fork, as in a web server that loads the application
    first, each process makes connections of its own.

    Args:
        path: The path of the socket. None takes the value of ``COTALITY_FLOW_SOCKET``,
            which a server sets for the program that started it and for its children.
    """

    path: Path | None

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._known: tuple[str, Connections] | None = None

    @classmethod
    def connect(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """A client; the same as calling the class."""
        return cls(path)

    def __repr__(self) -> str:
        return f"<FlowClient of {self._place() or 'no socket'}>"

    def _place(self) -> str:
        return str(self.path) if self.path is not None else os.environ.get(VARIABLE, "")

    def _connections(self) -> Connections:
        notice_fork()
        place = self._place()
        known = self._known
        if known is not None and known[0] == place:
            return known[1]
        if not place:
            raise ValueError(
                f"nobody has said where the flow is served: give FlowClient the path "
                f"of the socket, or set {VARIABLE}"
            )
        connections = Connections(ByPath(place))
        self._known = (place, connections)
        return connections

    async def drain(self, grace: float = 5.0) -> None:
        """Have the server accept no more items, finish those it has, and end."""
        await self._ask(grace + CONTROL_EXTRA, notes.DRAIN, grace=grace)

    async def stop(self, grace: float = 5.0) -> None:
        """Have the server end. Items that wait fail; the others get *grace* seconds."""
        await self._ask(grace + CONTROL_EXTRA, notes.STOP, grace=grace)

    async def aclose(self) -> None:
        """Close the connections of this loop and those of threads."""
        notice_fork()
        if self._known is not None:
            await self._known[1].close_of_this_loop()
            self._known[1].close()

    def close(self) -> None:
        """Close the connections of threads; those of loops end with their loops."""
        notice_fork()
        if self._known is not None:
            self._known[1].close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __getstate__(self) -> dict[str, Any]:  # Any: of several types
        return {"path": self.path, "_known": None}
