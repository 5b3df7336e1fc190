"""Strikes every kind of call at every place, and goes on where it was.

First each place is struck once, in one kind of call (`tests.kit.strike_places` says
which the places are); then all kinds of calls at each place that they come by, at the
first time that they do, then at the last, then between. So a run that is ended has
seen the most unlike cases. What was struck is kept in a folder, and the next run goes
on there, unless the code has changed: then it begins anew, in another folder. At the
end it prints how many places there were, how many strikes, and which did harm.

``python -m tests.kit.all_strikes --help`` says how to run it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.kit.strike_places import TURNS
from tests.kit.strike_record import MISSED, STRUCK, Record, place_in
from tests.kit.striking import OURS, TESTS
from tests.kit.struck_calls import SCENARIOS

AT_ONCE = 2
STARTS = 100  # of a program that did not come back from a strike, and is to go on


class Turn(NamedTuple):
    """One kind of call, at all places once."""

    name: str
    turn: str


class Run:
    """Programs that strike, for all kinds of calls and turns.

    Args:
        folder: What was struck lies there.
        options: For `tests.kit.strikes`.
    """

    def __init__(self, folder: Path, options: list[str]) -> None:
        self.folder = folder
        self.options = options
        self.running: set[subprocess.Popen[str]] = set()
        self.is_over = threading.Event()

    def record(self, name: str) -> Record:
        record = Record(self.folder / f"{name}.txt")
        record.close()
        return record

    def strike(self, turn: Turn) -> None:
        """Until the turn has been gone through."""
        for _ in range(STARTS):
            before = self.record(turn.name)
            if self.is_over.is_set() or turn.turn in before.ended:
                return
            said = self.start(turn)
            after = self.record(turn.name)
            if turn.turn in after.ended or "--seconds" in self.options:
                return
            print(f"{turn.name} did not come back:\n{said}", flush=True)
            if after.begun == before.begun:
                return

    def start(self, turn: Turn) -> str:
        program = [sys.executable, "-W", "error", "-m", "tests.kit.strikes", turn.name]
        program += ["--turn", turn.turn, "--record", f"{self.folder}", *self.options]
        with subprocess.Popen(
            program,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,  # a Ctrl-C is for this program
        ) as child:
            self.running.add(child)
            said, _ = child.communicate()
            self.running.discard(child)
        print(said.rstrip(), f"({turn.turn})", flush=True)
        return said

    def stop(self) -> None:
        self.is_over.set()
        for child in list(self.running):
            os.killpg(child.pid, signal.SIGKILL)


def fingerprint() -> str:
    """Of what is struck, and of what strikes it."""
    found = hashlib.sha256(sys.version.encode())
    files = [*Path(OURS).rglob("*.py"), *Path(TESTS).glob("str[iu]*.py")]
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()[:8]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("scenarios", nargs="*", help="all, unless some are named")
    made.add_argument(
        "--at-once", type=int, default=AT_ONCE, help="programs that run at a time"
    )
    made.add_argument(
        "--record", type=Path, help="the folder, also for code that has changed"
    )
    made.add_argument("--turn", choices=TURNS, help="this one only; all else")
    made.add_argument(
        "--only-tell", action="store_true", help="strike nothing: print what is kept"
    )
    return made


def summary(run: Run, names: list[str]) -> tuple[str, bool]:
    """What there was; whether all of it did no harm."""
    records = {name: run.record(name) for name in names}
    lines = [line_of(name, record) for name, record in records.items()]
    places = [{place_in(aim) for aim in each.begun} for each in records.values()]
    wrong = sum(len(each.wrong) + len(each.stuck()) for each in records.values())
    struck = sum(each.count(STRUCK) for each in records.values())
    missed = sum(each.count(MISSED) for each in records.values())
    lines += [
        f"{sum(map(len, places))} places, {len(set().union(*places))} different ones; "
        f"{struck} strikes, {missed} to which nothing came, {wrong} that did harm"
    ]
    lines += [f"WRONG {each}" for record in records.values() for each in record.wrong]
    for name, record in records.items():
        lines += [f"STUCK {name} {each}" for each in record.stuck()]
    return "\n".join(lines), not wrong


def line_of(name: str, record: Record) -> str:
    return (
        f"{name}: {record.count(STRUCK)} strikes, {record.count(MISSED)} missed, "
        f"{len(record.wrong)} wrong, {len(record.stuck())} stuck; "
        f"gone through: {', '.join(sorted(record.ended)) or 'nothing'}"
    )


def main() -> int:
    arguments, options = parser().parse_known_args()
    names = arguments.scenarios or list(SCENARIOS)
    kept = Path(".nox", f"interrupts-{fingerprint()}")
    run = Run(arguments.record or kept, options)
    run.folder.mkdir(parents=True, exist_ok=True)
    print(f"what was struck is kept in {run.folder}", flush=True)
    # Also where it was started in the background, or is told to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    turns = [arguments.turn] if arguments.turn else TURNS
    todo = [Turn(name, turn) for turn in turns for name in names]
    with ThreadPoolExecutor(arguments.at_once) as programs:
        try:
            list(programs.map(run.strike, [] if arguments.only_tell else todo))
        except KeyboardInterrupt:
            run.stop()
            programs.shutdown(cancel_futures=True)
    said, is_right = summary(run, names)
    print(said)
    return not is_right


if __name__ == "__main__":
    sys.exit(main())
