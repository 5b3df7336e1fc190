"""Starts the router, hears what it has to say, and starts another one if it dies.

Whoever keeps a router is its parent: it ends with that, however that ends. In a
program that runs a flow for itself the keeper has a thread; behind a socket a small
process does nothing else.
"""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from collections import deque
from time import perf_counter
from typing import Final

from cotality._kit.safe_text import class_and_text
from cotality._kit.standard_places import pipe
from cotality.core.hosting import (
    Boards,
    Hosted,
    Inbox,
    Message,
    Output,
    framed,
    output_has_room,
    show_output,
    start_hosted,
    unpack_exception,
    wait_for_output,
)
from cotality.core.utils.process import WorkerStartError
from cotality.flow._flow.errors.errors import FlowStoppedError
from cotality.flow._flow.router import router
from cotality.flow._flow.router.hall import Doors
from cotality.flow._flow.router.parent import FromParent, ToParent
from cotality.flow._flow.steps.plan import FlowPlan

logger = logging.getLogger("cotality.flow")

AT_ONCE = 5.0  # s that a router must have lived for the next one to be started at once
PAUSE = 0.1  # s before the next one otherwise; then twice as long, and so on
LONGEST_PAUSE = 5.0  # s
STOP_EXTRA = 3.0  # s beyond the grace that a router gets to end before it is killed
END_PAUSE = 0.005  # s between two looks whether it has ended
LATE_AFTER = 1.0  # s after which whoever could tell how it ended has had time to
WAIT_SLICE = 0.2  # s of one wait for something that a thread does

NEW: Final = "new"
RUNNING: Final = "running"
STOPPED: Final = "stopped"


class Keeper:
    """Keeps one router.

    Attributes:
        state: What it is at.
        failure: Why the flow could not start.
        restarts: How many routers were started in the place of one that had ended.
        pid: Of the router that runs; 0 if none does.
    """

    def __init__(self, plan: FlowPlan, doors: Doors) -> None:
        self.plan = plan
        self.doors = doors
        self.state: str = NEW
        self.failure: BaseException | None = None
        self.restarts = 0
        self.pid = 0
        self.is_up = threading.Event()  # or it is known that it will not be
        self.has_ended = threading.Event()
        self.wanted: deque[bytes] = deque()  # messages for the router
        self.is_stopping = False
        self.kill_at: float | None = None
        # Nobody rings with a descriptor that is something else's by now. A handler of
        # a signal may ring while its thread does.
        self.ringing = threading.RLock()
        self.bell, self.rope = pipe()
        for fd in (self.bell, self.rope):
            os.set_blocking(fd, False)

    # From any thread.

    def wait_until_up(self, limit: float | None) -> None:
        """Return once every step has a worker that is ready.

        Raises:
            WorkerStartError: The handler of a step could not start.
            FlowStoppedError: It did not come to that.
            TimeoutError: It was not so within *limit* seconds.
        """
        end = None if limit is None else perf_counter() + limit
        while not self.is_up.wait(WAIT_SLICE):
            if end is not None and perf_counter() >= end:
                raise TimeoutError(f"the flow was not ready within {limit:g} s")
        if self.failure is not None:
            raise self.failure
        if self.has_ended.is_set():
            raise FlowStoppedError("the flow was stopped before it was ready")

    def stop(self, grace: float, *, is_drain: bool = False) -> None:
        """Have the router end, and start no other one; does not wait for that."""
        kind = FromParent.DRAIN if is_drain else FromParent.STOP
        self.wanted.append(framed(kind, b"", False, max(0, int(grace * 1000))))
        self.is_stopping = True
        self.kill_at = perf_counter() + grace + STOP_EXTRA
        self.ring()

    def wait_until_ended(self) -> None:
        while not self.has_ended.wait(WAIT_SLICE):
            pass

    def ring(self) -> None:
        try:
            with self.ringing:
                if self.rope >= 0:
                    os.write(self.rope, b"!")
        except BlockingIOError:
            pass  # it has been rung often enough

    # The one thread that keeps it.

    def run(self) -> None:
        """Keep a router until it is to end."""
        self.state = RUNNING
        pause = 0.0
        try:
            boards = Boards(1)
            while self.goes_on():
                self.sleep(pause)
                began = perf_counter()
                self.keep_one(boards)
                self.restarts += 1
                is_stable = self.restarts == 1 or perf_counter() - began >= AT_ONCE
                pause = 0.0 if is_stable else min(max(2 * pause, PAUSE), LONGEST_PAUSE)
            boards.close()
        except BaseException as error:
            self.failure = self.failure or error
            if self.is_up.is_set():
                logger.exception("the flow has ended, and is not started again")
        finally:
            self.state = STOPPED
            self.pid = 0
            wait_for_output(STOP_EXTRA)
            self.has_ended.set()
            self.is_up.set()

    def goes_on(self) -> bool:
        return not self.is_stopping

    def sleep(self, seconds: float) -> None:
        end = perf_counter() + seconds
        while not self.is_stopping and (left := end - perf_counter()) > 0:
            time.sleep(min(left, WAIT_SLICE))

    def keep_one(self, boards: Boards) -> None:
        """Start a router, and attend to it until it has ended."""
        try:
            hosted = start_hosted(
                router.main, (self.plan, self.doors), boards, name="cotality-flow"
            )
        except OSError as error:
            if self.restarts == 0:
                raise
            logger.error("no router for the flow could be started: %s", error)
            return
        self.pid = hosted.pid
        try:
            Attention(self, hosted).pay()
        finally:
            self.pid = 0
            if not hosted.has_ended():
                hosted.kill("stopped")
                wait_for_end(hosted)
            how = hosted.ending()
            hosted.close()
        if not self.is_stopping:
            logger.error(
                "the router of the flow has ended, and is started again: %s", how
            )

    def heard(self, hosted: Hosted, message: Message) -> None:
        """The router has said something."""
        if message.kind == ToParent.UP:
            self.is_up.set()
        elif message.kind == ToParent.LOG:
            logger.warning("%s", bytes(message.body).decode(errors="replace"))
        elif message.kind == ToParent.STOPPED:
            self.is_stopping = True
        elif (
            message.kind in (ToParent.UNFIT, ToParent.DOWN) and not self.is_up.is_set()
        ):
            self.failure = self.failure or self.start_failure(message)
            self.is_stopping = True
            hosted.kill("stopped")

    def start_failure(self, message: Message) -> WorkerStartError:
        name = self.plan.steps[message.number].name
        if message.kind == ToParent.DOWN:
            text = bytes(message.body).decode(errors="replace")
            return WorkerStartError(f"the flow could not start: {text}")
        cause = unpack_exception(message.body)
        error = WorkerStartError(
            f"the flow could not start, because the handler of step {name!r} could "
            f"not: {class_and_text(cause)}"
        )
        error.__cause__ = cause
        return error

    def close(self) -> None:
        """Let go of the rest; when nobody rings any more."""
        with self.ringing:
            fds, self.bell, self.rope = (self.bell, self.rope), -1, -1
            for fd in fds:
                if fd >= 0:
                    os.close(fd)

    def forget(self) -> None:
        """In a forked child, where the thread that rings is not."""
        self.ringing = threading.RLock()
        self.close()


class Attention:
    """What a keeper pays to one router."""

    def __init__(self, keeper: Keeper, hosted: Hosted) -> None:
        self.keeper = keeper
        self.hosted = hosted
        self.inbox = Inbox()
        self.selector = selectors.DefaultSelector()
        self.selector.register(hosted.sentinel, selectors.EVENT_READ)
        self.selector.register(keeper.bell, selectors.EVENT_READ)
        self.selector.register(hosted.link, selectors.EVENT_READ)
        self.is_heard = True  # whether the link is looked at

    def pay(self) -> None:
        """Do what there is to do until the router has ended."""
        try:
            while not self.has_ended():
                self.send()
                ready = {key.fd for key, _ in self.selector.select(self.patience())}
                if self.keeper.bell in ready:
                    os.read(self.keeper.bell, 4096)
                    self.hear_again()
                if self.is_heard and self.hosted.link.fileno() in ready:
                    self.hear()
                if self.hosted.sentinel in ready:
                    wait_for_end(self.hosted)
            while self.is_heard and self.hear():
                pass
        finally:
            self.inbox.close()
            self.selector.close()

    def patience(self) -> float | None:
        kill_at = self.keeper.kill_at
        return None if kill_at is None else max(kill_at - perf_counter(), 0.0)

    def has_ended(self) -> bool:
        if self.hosted.has_ended():
            return True
        kill_at = self.keeper.kill_at
        if kill_at is not None and perf_counter() >= kill_at:
            self.hosted.kill("stopped")
        return False

    def send(self) -> None:
        """Send what the router is to be told."""
        wanted = self.keeper.wanted
        while wanted:
            try:
                self.hosted.link.send(wanted.popleft())
            except OSError:
                return  # it has ended; a few bytes always find room

    def hear(self) -> bool:
        """Take what the router says; whether there may be more."""
        try:
            messages = self.inbox.read(self.hosted.link)
        except BlockingIOError:
            return False
        except (EOFError, OSError):
            self.is_heard = False
            self.selector.unregister(self.hosted.link)
            return False
        for message in messages:
            if message.kind == ToParent.OUTPUT:
                output = Output(message.body, message.number, None, None)
                if not show_output(output, self.keeper.ring) and self.is_heard:
                    # Handlers here are too slow: the router has to wait for them.
                    self.is_heard = False
                    self.selector.unregister(self.hosted.link)
            else:
                self.keeper.heard(self.hosted, message)
        return True

    def hear_again(self) -> None:
        if not self.is_heard and output_has_room():
            try:
                self.selector.register(self.hosted.link, selectors.EVENT_READ)
            except (KeyError, ValueError):
                return
            self.is_heard = True


def wait_for_end(hosted: Hosted) -> None:
    """Return once it is known that the process of *hosted* has ended."""
    late_at = perf_counter() + LATE_AFTER
    while not hosted.has_ended(is_late=perf_counter() >= late_at):
        time.sleep(END_PAUSE)
