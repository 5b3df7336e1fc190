"""What one bad task costs, here and elsewhere: ``python benchmarks/run.py faults``.

Twenty tasks on two processes; one of them misbehaves. Each contender meets each fault
in an interpreter of its own, which gets a bounded time. What counts is how many results
of the other 19 come back, what the program is told, and whether it ends.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.faults_child import CONTENDERS
from benchmarks.machine import machine
from benchmarks.marks import fill
from benchmarks.report import BEGIN, END

CHILD = Path(__file__).with_name("faults_child.py")
HANGS_AFTER = 20.0  # s; all that ends does so within 5
OTHERS = 19

FAULTS = {
    "error": "raises an error",
    "locked-error": "raises an error that cannot be pickled",
    "result": "returns something that cannot be pickled",
    "exit": "calls `os._exit`",
    "segfault": "reads address 0: a segmentation fault",
    "kill": "is killed, as when memory runs out",
    "endless": "never ends; the limit is 2 s for each task",
}


@dataclass(frozen=True)
class Found:
    """What became of 20 tasks.

    Attributes:
        right: How many of the 19 others have their result; the least of all rounds.
        error: The class of what the program is told of the bad one.
        hangs: Whether the program had to be killed.
    """

    right: int
    error: str
    hangs: bool

    def __str__(self) -> str:
        if self.hangs and not self.error:
            return "hangs"
        told = f", `{self.error}`" if self.error else ""
        hangs = ", then hangs" if self.hangs else ""
        return f"{self.right} of {OTHERS}{told}{hangs}"


def meet(name: str, fault: str) -> Found:
    """One contender, one fault."""
    with tempfile.TemporaryFile("w+") as told:
        child = subprocess.Popen(
            [sys.executable, CHILD, name, fault],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            child.wait(HANGS_AFTER)
            hangs = False
        except subprocess.TimeoutExpired:
            hangs = True
        finally:
            with suppress(ProcessLookupError):  # all of its session, if any is left
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        told.seek(0)
        lines = told.read().splitlines()
    if not lines:
        return Found(0, "" if hangs else f"exit code {child.returncode}", hangs)
    said = json.loads(lines[-1])
    return Found(said["right"], said["error"], hangs)


def worst(rounds: Iterable[Found]) -> Found:
    return min(rounds, key=lambda found: (not found.hangs, found.right))


def markdown(found: dict[str, dict[str, Found]], facts: dict[str, object]) -> str:
    names = list(CONTENDERS)
    lines = [
        f"| One of 20 tasks ... | {' | '.join(names)} |",
        "|---" * (1 + len(names)) + "|",
    ]
    lines += [
        f"| {about} | {' | '.join(str(found[fault][name]) for name in names)} |"
        for fault, about in FAULTS.items()
    ]
    machine_ = facts["machine"]
    assert isinstance(machine_, dict)
    versions = ", ".join(f"{name} {is_}" for name, is_ in machine_["versions"].items())
    return (
        f"Taken on {facts['date']} with `{facts['command']}`: {machine_['python']}, "
        f"{machine_['system']}; {versions}.\n\n" + "\n".join(lines)
    )


def main(arguments: list[str]) -> int:
    """Meet all faults, print the table, write the files."""
    parser = argparse.ArgumentParser(prog="run.py faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="3 by default")
    parser.add_argument("--json", type=Path, default=Path("faults.json"))
    parser.add_argument("--markdown", type=Path, help="put the table into this page")
    given = parser.parse_args(arguments)
    found: dict[str, dict[str, Found]] = {}
    for fault in FAULTS:
        found[fault] = {
            name: worst(meet(name, fault) for _ in range(given.rounds))
            for name in CONTENDERS
        }
        print(fault, *(f"{n}: {each}" for n, each in found[fault].items()), sep="; ")
    facts: dict[str, object] = {
        "command": f"python benchmarks/run.py faults --rounds {given.rounds}",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    }
    data = {f: {n: asdict(each) for n, each in row.items()} for f, row in found.items()}
    given.json.write_text(json.dumps({**facts, "faults": data}, indent=1), "utf-8")
    table = markdown(found, facts)
    print(table)
    if given.markdown:
        fill(given.markdown, BEGIN, END, [table])
    return int(any(row["cotality"].right < OTHERS for row in found.values()))
