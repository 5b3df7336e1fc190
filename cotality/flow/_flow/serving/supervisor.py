"""The process that keeps the router of a server, and does nothing else.

It has no state that could be lost and runs nobody's code, so it lives. It holds the
socket: while a router is started again, clients wait at the door.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

from cotality.core.hosting import (
    Host,
    Inbox,
    LinkEndedError,
    WorkerLink,
    pack_exception,
)
from cotality.flow._flow.keeping.keeper import Keeper
from cotality.flow._flow.router.hall import Doors
from cotality.flow._flow.steps.plan import FlowPlan

UP = 128  # to the program that has started it: the flow is served
FAILED = 129  # likewise: it is not; a packed exception
STOP = 1  # from there; the number is the grace in milliseconds
GRACE = 5.0  # s after a SIGTERM


def main(host: Host, plan: FlowPlan, doors: Doors) -> None:
    """The whole life of a supervisor."""
    keeper = Keeper(plan, doors)

    def end(number: int, frame: FrameType | None) -> None:
        keeper.stop(GRACE)

    signal.signal(signal.SIGTERM, end)
    link = WorkerLink(host.link)
    for target in (tell_when_up, hear):
        threading.Thread(target=target, args=(keeper, link), daemon=True).start()
    keeper.run()


def tell_when_up(keeper: Keeper, link: WorkerLink) -> None:
    try:
        keeper.wait_until_up(None)
        kind, body = UP, b""
    except BaseException as error:
        kind, body = FAILED, pack_exception(error)
    try:
        link.send(kind, body)
    except LinkEndedError:
        pass  # nobody is there who wants to know; this process ends with that


def hear(keeper: Keeper, link: WorkerLink) -> None:
    """Do what the program says that has started this one."""
    inbox = Inbox()
    while True:
        try:
            messages = inbox.read(link.connection)
        except (EOFError, OSError):
            return
        for message in messages:
            if message.kind == STOP:
                keeper.stop(message.number / 1000)
