"""Tasks that log, print and warn."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import time
import warnings
from types import FrameType
from typing import Any

from tests.kit.helpers import Marks
from tests.kit.limits import LONG_S

logger = logging.getLogger("chatty")

# As careless modules do: one here, and one in each process that imports this.
private = logging.getLogger("chatty.private")
private.addHandler(logging.StreamHandler(sys.stdout))


class OwnWarning(UserWarning):
    """One that the warnings module has never heard of."""


class NotRebuilt:
    """Can be pickled, and then not be unpickled."""

    def __reduce__(self) -> Any:  # Any: what pickle wants
        return int, ("no number",)


class Unfriendly:
    """Cannot be pickled, and does not even have a repr."""

    def __reduce__(self) -> Any:  # Any: what pickle wants
        raise TypeError("not me")

    def __repr__(self) -> str:
        raise ValueError("nor this")


def say(text: str, level: int = logging.INFO) -> str:
    logger.log(level, text)
    return text


def say_many(count: int, text: str = "number") -> int:
    for number in range(count):
        logger.info("%s %d", text, number)
    return count


def say_and_return_pid(text: str) -> int:
    logger.info(text)
    return os.getpid()


def say_without_end(marks: Marks) -> None:
    marks.leave(os.getpid())
    while True:
        logger.info("x" * 1000)


def say_from_a_thread(text: str) -> None:
    thread = threading.Thread(target=logger.info, args=(text,), name="of a task")
    thread.start()
    thread.join()


def say_privately(text: str) -> None:
    private.warning(text)


def log_a_failure() -> None:
    try:
        raise KeyError("lost") from ValueError("why")
    except KeyError:
        logger.exception("could not find it")


def log_with(args: tuple[Any, ...], extra: dict[str, Any]) -> None:  # Any: any values
    logger.info("args: " + " ".join(["%s"] * len(args)), *args, extra=extra)


def log_unfriendly() -> None:
    extra = {"bad": Unfriendly(), "lock": threading.Lock(), "no": NotRebuilt(), "n": 5}
    logger.info("lock: %s", threading.Lock(), extra=extra)


def log_wrongly() -> str:
    logger.info("%d", "no number")
    return "went on"


def speak(text: str, end: str = "\n") -> str:
    print(text, end=end)
    return text


def complain(text: str) -> None:
    print(text, file=sys.stderr)


def speak_bytes(data: bytes) -> None:
    sys.stdout.buffer.write(data)


def speak_and_say(count: int) -> None:
    for number in range(count):
        print("printed", number)
        logger.info("logged %d", number)


def speak_and_die(text: str) -> None:
    logger.info(text)
    print(text)
    print(text, file=sys.stderr, end=" unfinished", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def speak_from_a_fork(text: str) -> int:
    """Log and print in a child while a thread of this process does the same."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            logger.debug("meanwhile")

    thread = threading.Thread(target=go_on)
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks of a process with threads
        child = os.fork()
    if child == 0:
        logger.warning("logged by a fork: %s", text)
        print("printed by a fork:", text)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    over.set()
    thread.join()
    print("printed by its parent:", text)
    return status


def replace_stdout() -> None:
    sys.stdout = io.StringIO()
    print("to be forgotten")


def close_stdout() -> None:
    sys.stdout.close()


def about_stdout() -> dict[str, object]:
    out = sys.stdout
    return {
        "encoding": out.encoding,
        "fileno": out.fileno(),
        "isatty": out.isatty(),
        "writable": out.writable(),
        "name": out.name,
        "mode": out.mode,
    }


def run_a_program(text: str) -> None:
    os.write(1, text.encode())


def warn(text: str, category: type[Warning] = UserWarning) -> str:
    warnings.warn(text, category, stacklevel=1)
    return text


def levels_here(name: str) -> tuple[bool, bool, bool]:
    here = logging.getLogger(name)
    return tuple(map(here.isEnabledFor, (10, 20, 50)))  # type: ignore[return-value]


class AlarmError(Exception):
    """What the alarm of a task raises."""


armed = False  # whether the alarm may raise: only where it will be caught


def ring(number: int, frame: FrameType | None) -> None:
    global armed
    logger.info("alarm")
    if armed:
        armed = False
        raise AlarmError


def speak_through_alarms(count: int) -> int:
    """Print while an alarm goes off again and again; how often it has raised."""
    global armed
    signal.signal(signal.SIGALRM, ring)
    alarms = 0
    end = time.monotonic() + LONG_S
    while alarms < count and time.monotonic() < end:
        try:
            while True:
                if not armed:  # logging may swallow what is raised in the middle of it
                    armed = True
                    signal.setitimer(signal.ITIMER_REAL, 0.0002 * (alarms % 20 + 1))
                print("line " * 60_000)  # more than the link takes at once
                logger.info("x" * 100)
        except AlarmError:
            alarms += 1
    armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    return alarms
