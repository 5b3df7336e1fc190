"""An exception strikes the calling thread at one instruction; then all has to be right.

A signal handler may raise between any two instructions of the thread that makes a call:
a Ctrl-C, a time limit, a service manager's SIGTERM. This program makes a call again and
again, and has a signal come at another instruction of ours each time, whose handler
raises one of the three. That exception has to go on to the caller. After each,
further calls have to give right results, no task may have run twice, and nothing may be
left behind. What it finds wrong it prints, a line each, with the place that was struck
in a form that ``--aim`` takes.

Which instructions are struck, and when, says `tests.kit.strike_places`.
``python -m tests.kit.strikes --help`` says how to strike some; ``nox -s interrupts``
takes all kinds of calls (`tests.kit.all_strikes`).
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import logging
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import CodeType

import psutil

from cotality.core.utils._process.starting.own_start import MARK
from tests.kit.strike_places import TIMES, TURNS, Aim, Places
from tests.kit.strike_record import Record, struck_in
from tests.kit.striking import KINDS, OURS, PlaceStrike, Strike, handlers, is_behind
from tests.kit.struck_calls import SCENARIOS, SQUARES, Scenario

STUCK_S = 30  # that one round may take
GONE_S = 10.0  # that threads and processes get to end
ROUNDS_A_LOOK = 40  # between two looks whether anything is left over
WATCHED = 4  # times that a call is looked at, to learn where it comes by
WATCHED_FOR_SOME = 2


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
    is_helper = "resource_tracker" in command or MARK in command
    return is_helper and parent is not None and parent.pid == os.getpid()


def files() -> list[str]:
    found: list[str] = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(found)


class Told(logging.Handler):
    """What asyncio has told its handler of: it does so with what strikes a callback."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kinds += record.exc_info[:1] if record.exc_info else ()


class Harness:
    """Strikes one scenario; what is wrong it keeps.

    Args:
        name: Of the scenario.
        scenario: What to strike.
        arguments: Of the program.
        record: What was struck before.
    """

    def __init__(
        self,
        name: str,
        scenario: Scenario,
        arguments: argparse.Namespace,
        record: Record,
    ) -> None:
        self.name = name
        self.scenario = scenario
        self.arguments = arguments
        self.record = record
        self.is_struck = is_in(arguments.file, scenario.is_spared)
        self.how = {"finalizers": arguments.finalizers, "deep": arguments.deep}
        self.places: list[str] = []  # that were struck since the last look
        # What struck where an object was dropped, for example: Python tells of it, and
        # goes on.
        self.unraisable: list[type[BaseException]] = []
        sys.unraisablehook = self.note_unraisable
        self.told = Told()
        logging.getLogger("asyncio").handlers = [self.told]

    def note_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        self.unraisable.append(what.exc_type)
        # A file that nobody could close yet is closed when it is dropped.
        if what.exc_type not in (*KINDS, ResourceWarning):
            said = f"unraisable {what.exc_value!r} in {what.object!r}"
            self.scenario.found.append(said)

    def run(self) -> None:
        places = self.learn()
        leftovers = self.leftovers()
        end = time.monotonic() + self.arguments.seconds
        struck = done = 0
        for turn, aims in self.aims(places):
            for aim in aims:
                if time.monotonic() > end:
                    break
                if self.record.is_over(f"{aim}"):
                    continue
                struck += self.strike(aim)
                done += 1
                if done % ROUNDS_A_LOOK == 0 or self.arguments.aim:
                    self.look(leftovers)
            else:
                self.look(leftovers)
                self.record.end_turn(turn)
        self.look(leftovers)
        self.scenario.leave()
        print(
            f"{self.name}: {places.count} instructions, {len(places.times)} different, "
            f"{len(places.named)} that show something, {struck} of {done} struck",
            flush=True,
        )

    def learn(self) -> Places:
        """Where the call comes by."""
        scenario, watched = self.scenario, []
        times = WATCHED_FOR_SOME if self.arguments.rounds else WATCHED
        for turn in range(1 + times):  # the first time, much is imported
            scenario.prepare()
            counts = Strike(0, KeyboardInterrupt, self.is_struck, **self.how)
            with counts if turn else contextlib.nullcontext():
                scenario.act()
            scenario.again()
            scenario.check_log()
            watched.append(counts)
        return Places(watched[1:])

    def leftovers(self) -> Leftovers:
        self.scenario.finish()
        Leftovers().after_a_while()
        return Leftovers()

    def aims(self, places: Places) -> list[tuple[str, list[Aim]]]:
        """Where to strike, turn by turn."""
        arguments = self.arguments
        if arguments.aim:
            return [("", [places.read(each) for each in arguments.aim])]
        if arguments.rounds:
            some = places.some(arguments.rounds, arguments.seed, arguments.kind)
            return [("", some)]
        turns = [arguments.turn] if arguments.turn else TIMES
        return [(turn, self.aims_of(turn, places)) for turn in turns]

    def aims_of(self, turn: str, places: Places) -> list[Aim]:
        aims, folder = places.turn(turn, self.arguments.kind), self.arguments.record
        if turn != "once" or folder is None:
            return aims
        struck = struck_in(folder)
        return [aim for aim in aims if aim.name not in struck]

    def strike(self, aim: Aim) -> bool:
        """One round; whether anything was struck."""
        self.record.begin(f"{aim}")
        faulthandler.dump_traceback_later(STUCK_S, exit=True)
        striker = self.act(aim)
        if not striker.place and aim.at > 1:  # it did not come there so often
            self.scenario.check_log()  # what that call ran, the next may run too
            striker = self.act(aim._replace(at=1))
        if striker.place:
            self.further_calls()
        self.scenario.check_log()
        faulthandler.cancel_dump_traceback_later()
        what = f"{aim} ({striker.place})"
        self.places.append(what)
        if self.arguments.verbose:
            print(self.name, what, flush=True)
        self.tell(what)
        self.record.end(f"{aim}", is_struck=bool(striker.place))
        return bool(striker.place)

    def act(self, aim: Aim) -> Strike:
        """The call that is struck."""
        scenario, error = self.scenario, aim.error
        scenario.prepare()
        self.unraisable.clear()
        self.told.kinds.clear()
        striker = PlaceStrike(aim.place, aim.at, error, self.is_struck, **self.how)
        try:
            with striker:
                scenario.act()
            if striker.place and error not in (*self.unraisable, *self.told.kinds):
                scenario.found.append("lost it")
        except BaseException as other:
            # It may have been made the cause of another one, but not be lost.
            if not is_behind(other, error):
                scenario.found.append(f"raised {other!r} instead")
            del other
        return striker

    def further_calls(self) -> None:
        scenario = self.scenario
        for turn in range(scenario.further):
            try:
                scenario.check(SQUARES, scenario.again(), f"call {turn + 1} after it")
            except BaseException as raised:
                scenario.found.append(f"call {turn + 1} after it raised {raised!r}")

    def tell(self, what: str) -> None:
        for each in self.scenario.found:
            wrong = " ".join(f"{self.name} {what}: {each}".splitlines())
            print("WRONG", wrong, flush=True)
            self.record.tell(wrong)
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


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("scenarios", nargs="*", help="all, unless some are named")
    made.add_argument(
        "--rounds", type=int, default=0, help="for each, at random; else at all places"
    )
    made.add_argument("--turn", choices=TURNS, help="this one only; all else")
    made.add_argument("--file", default="", help="in files of such a name only")
    made.add_argument("--aim", nargs="*", help="strike there only")
    made.add_argument(
        "--kind", type=int, default=0, help="another kind at each place: 1 or 2"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument(
        "--seconds", type=float, default=float("inf"), help="for each, at most"
    )
    made.add_argument("--record", type=Path, help="a folder, to go on another time")
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
        record = Record(arguments.record and arguments.record / f"{name}.txt")
        with tempfile.TemporaryDirectory() as folder, handlers():
            scenario = SCENARIOS[name](Path(folder))
            Harness(name, scenario, arguments, record).run()
        wrong += record.wrong
        record.close()
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
