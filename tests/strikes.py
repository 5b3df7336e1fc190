"""An exception strikes the calling thread at one instruction; then all has to be right.

A signal handler may raise between any two instructions of the thread that makes a call:
a Ctrl-C, a time limit, a service manager's SIGTERM. This program makes a call again and
again, and has a signal come at another instruction of ours each time, whose handler
raises one of the three. That exception has to go on to the caller. After each,
further calls have to give right results, no task may have run twice, and nothing may be
left behind. What it finds wrong it prints, a line each, with the place that was struck.

``python -m tests.strikes --help`` says how to run it; ``nox -s interrupts`` runs all.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import logging
import os
import random
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import psutil

from tests.striking import KINDS, OURS, Strike, handlers, is_behind
from tests.struck_calls import SCENARIOS, SQUARES, Scenario

STUCK_S = 30  # that one round may take
GONE_S = 10.0  # that threads and processes get to end
ROUNDS_A_LOOK = 20  # between two looks whether anything is left over
ROUNDS_A_LINE = 1000  # between two lines that say how far it is
ERRORS = list(KINDS)


class Round(NamedTuple):
    """Where to strike next, and with what."""

    at: int
    error: type[BaseException]


class Leftovers:
    """What may be there: what was there when all had been used once."""

    def __init__(self) -> None:
        self.files = files()

    def now(self) -> str:
        threads = [
            each.name for each in threading.enumerate() if each.name != "MainThread"
        ]
        children = [
            child
            for child in psutil.Process().children(recursive=True)
            if not is_of_the_house(child)
        ]
        more = len(files()) - len(self.files)
        left = [f"{threads}" if threads else "", f"{children}" if children else ""]
        left += [f"{more} files: {files()}, before {self.files}"] if more > 0 else []
        return " ".join(filter(None, left))

    def after_a_while(self) -> str:
        """What is still left when all had time to end."""
        end = time.monotonic() + GONE_S
        while (left := self.now()) and time.monotonic() < end:
            gc.collect()
            time.sleep(0.002)
        return left


def is_of_the_house(child: psutil.Process) -> bool:
    """Whether it is the fork server or the resource tracker, which stay."""
    try:
        command = " ".join(child.cmdline())
        parent = child.parent()
    except psutil.Error:
        return True  # it has just ended
    is_helper = "resource_tracker" in command or "forkserver" in command
    return is_helper and parent is not None and parent.pid == os.getpid()


def files() -> list[str]:
    found: list[str] = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(found)


class Harness:
    """Strikes one scenario; what is wrong it keeps.

    Args:
        name: Of the scenario.
        scenario: What to strike.
        arguments: Of the program.
    """

    def __init__(
        self, name: str, scenario: Scenario, arguments: argparse.Namespace
    ) -> None:
        self.name = name
        self.scenario = scenario
        self.arguments = arguments
        self.wrong: list[str] = []
        self.places: list[str] = []  # that were struck since the last look
        # What struck where an object was dropped, for example: Python tells of it, and
        # goes on.
        self.unraisable: list[type[BaseException]] = []
        sys.unraisablehook = self.note_unraisable

    def note_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        self.unraisable.append(what.exc_type)
        # A file that nobody could close yet is closed when it is dropped.
        if what.exc_type not in (*KINDS, ResourceWarning):
            said = f"unraisable {what.exc_value!r} in {what.object!r}"
            self.scenario.found.append(said)

    def strike_at(self, at: int, error: type[BaseException]) -> Strike:
        is_struck = is_in(self.arguments.file, self.scenario.is_spared)
        return Strike(
            at,
            error,
            is_struck,
            finalizers=self.arguments.finalizers,
            deep=self.arguments.deep,
        )

    def run(self) -> None:
        scenario, arguments = self.scenario, self.arguments
        for _ in range(2):  # the second time all is imported
            scenario.prepare()
            with self.strike_at(0, KeyboardInterrupt) as watched:
                scenario.act()
            scenario.again()
            scenario.check_log()
        scenario.finish()
        time.sleep(0.05)
        Leftovers().after_a_while()
        leftovers = Leftovers()
        if arguments.at:
            kinds = ERRORS[arguments.kind :] + ERRORS[: arguments.kind]
            rounds = [
                Round(at, kinds[i % len(kinds)]) for i, at in enumerate(arguments.at)
            ]
        else:
            rounds = rounds_of(watched, arguments)
        struck, done = 0, arguments.skip
        end = time.monotonic() + arguments.seconds
        for each in islice(rounds, arguments.skip, None):
            if time.monotonic() > end:
                break
            struck += self.strike(each)
            done += 1
            if done % ROUNDS_A_LOOK == 0 or arguments.at:
                self.look(leftovers)
            if done % ROUNDS_A_LINE == 0:
                print(f"{self.name}: {done} of {len(rounds)} rounds", flush=True)
        self.look(leftovers)
        scenario.leave()
        print(
            f"{self.name}: {watched.count} instructions, {len(watched.first)} "
            f"different, {struck} struck, {done} of {len(rounds)} rounds",
            flush=True,
        )

    def strike(self, each: Round) -> bool:
        """One round; whether anything was struck."""
        scenario, error = self.scenario, each.error
        scenario.prepare()
        self.unraisable.clear()
        faulthandler.dump_traceback_later(STUCK_S, exit=True)
        striker = self.strike_at(each.at, error)
        try:
            with striker:
                scenario.act()
            if striker.place and error not in self.unraisable:
                scenario.found.append("lost it")
        except BaseException as other:
            # It may have been made the cause of another one, but not be lost.
            if not is_behind(other, error):
                scenario.found.append(f"raised {other!r} instead")
            del other
        self.further_calls()
        faulthandler.cancel_dump_traceback_later()
        what = f"{each.at} {error.__name__} {striker.place}"
        self.places.append(what)
        if self.arguments.verbose:
            print(self.name, what, flush=True)
        self.tell(what)
        return bool(striker.place)

    def further_calls(self) -> None:
        scenario = self.scenario
        for turn in range(3):
            try:
                scenario.check(SQUARES, scenario.again(), f"call {turn + 1} after it")
            except BaseException as raised:
                scenario.found.append(f"call {turn + 1} after it raised {raised!r}")
        scenario.check_log()

    def tell(self, what: str) -> None:
        found = [f"{self.name} {what}: {each}" for each in self.scenario.found]
        for each in found:
            print("WRONG", each, flush=True)
        self.wrong += found
        self.scenario.found.clear()

    def look(self, leftovers: Leftovers) -> None:
        """See whether anything is left over of the last rounds."""
        faulthandler.dump_traceback_later(STUCK_S, exit=True)
        self.scenario.finish()
        left = leftovers.after_a_while()
        faulthandler.cancel_dump_traceback_later()
        if left:
            self.scenario.found.append(f"leaves {left}")
            leftovers.files = files()
        self.tell(f"one of {self.places}")
        self.places.clear()


def is_in(part: str, is_spared: Callable[[str], bool]) -> Callable[[CodeType], bool]:
    """Whether code is ours, in a file with *part* in its name that is not spared."""

    def is_struck(code: CodeType) -> bool:
        file = code.co_filename
        return file.startswith(OURS) and part in file and not is_spared(file)

    return is_struck


def rounds_of(watched: Strike, arguments: argparse.Namespace) -> list[Round]:
    """Where to strike, and with what.

    Some of the different instructions, with the three kinds in turn; or all of them
    with each kind, first where they come first, and then at each further time.
    """
    rng = random.Random(arguments.seed)
    places = sorted(watched.first.values())
    if not places:
        return []  # nothing of such a file runs in the calling thread
    if arguments.rounds:
        count = min(len(places), arguments.rounds)
        return list(in_turn(rng.sample(places, count), arguments.kind))
    # Other threads run as well, so that each time is a little different.
    others = sorted({*range(1, watched.count + 50)}.difference(places))
    rounds: list[Round] = []
    for group in (places, others):
        rng.shuffle(group)
        for first in range(len(ERRORS)):
            rounds += in_turn(group, first)
    return rounds


def in_turn(places: list[int], first: int) -> Iterator[Round]:
    for number, at in enumerate(places, first):
        yield Round(at, ERRORS[number % len(ERRORS)])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("scenarios", nargs="*", help="all, unless some are named")
    made.add_argument(
        "--rounds", type=int, default=0, help="for each, at random; else at all places"
    )
    made.add_argument("--file", default="", help="in files of such a name only")
    made.add_argument("--at", type=int, nargs="*", help="strike there only")
    made.add_argument(
        "--kind", type=int, default=0, help="begin with LateError: 1, SystemExit: 2"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument(
        "--seconds", type=float, default=float("inf"), help="for each, at most"
    )
    made.add_argument(
        "--skip", type=int, default=0, help="rounds that were made before"
    )
    made.add_argument(
        "--finalizers", action="store_true", help="strike where objects are dropped too"
    )
    made.add_argument(
        "--deep", action="store_true", help="strike also what ours calls of Python's"
    )
    made.add_argument("--verbose", action="store_true")
    return made


def main() -> int:
    arguments = parser().parse_args()
    logging.getLogger("cotality").setLevel(logging.CRITICAL)
    # Where a coroutine of the engine was made, and struck before it was awaited.
    warnings.filterwarnings("ignore", ".* was never awaited", RuntimeWarning)
    wrong: list[str] = []
    for name in arguments.scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory() as folder, handlers():
            harness = Harness(name, SCENARIOS[name](Path(folder)), arguments)
            harness.run()
            wrong += harness.wrong
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
