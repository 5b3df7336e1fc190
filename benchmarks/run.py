"""Measure how fast the package is: ``python benchmarks/run.py --help``."""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What is no case, because there is nobody to compare with.
WITHOUT_PEERS = {
    "auto": "benchmarks.regret",
    "costs": "benchmarks.costs",
    "plans": "benchmarks.predictions",
    "health": "benchmarks.health",
    "flow": "benchmarks.flows",
    "drills": "benchmarks.drills",
    "jobs": "benchmarks.jobs",
    "joblib": "benchmarks.joblib_backend",
    "web": "benchmarks.webs",
    "faults": "benchmarks.faults",
}

# Words that stand for all cases of a group, by where these are.
GROUPS = {"frames": "frames"}


def main(arguments: list[str]) -> int:
    """Measure what was asked for, print the table, write the files."""
    if arguments and arguments[0] in WITHOUT_PEERS:
        module = importlib.import_module(WITHOUT_PEERS[arguments[0]])
        code: int = module.main(arguments[1:])
        return code
    from benchmarks.cases import CASES
    from benchmarks.measure import measure
    from benchmarks.picture import draw
    from benchmarks.report import (
        read_json,
        table,
        write_json,
        write_markdown,
    )

    asked = parser(list(CASES))
    given = asked.parse_args(arguments)
    if given.list:
        print("\n".join(CASES))
        return 0
    given.cases = with_groups(given.cases)
    if unknown := [name for name in given.cases if name not in CASES]:
        asked.error(f"no such case: {', '.join(unknown)}; --list names those there are")
    facts = facts_before(given.cases, given.rounds)
    results = measure([CASES[name] for name in given.cases or CASES], given.rounds)
    facts_after(facts)
    if given.add:
        earlier, facts["earlier"] = read_json(given.add, CASES)
        measured = {result.case.name: result for result in [*earlier, *results]}
        results = [measured[name] for name in CASES if name in measured]
    print(table(results))
    write_json(given.json, results, facts)
    if given.markdown:
        write_markdown(given.markdown, results, facts)
    if given.picture and not draw(given.picture, results):
        print("no picture: that needs matplotlib")
    # A peer that is not installed is named and left out; ours has to work.
    return int(any(result.case.ours in result.problems for result in results))


def with_groups(cases: list[str]) -> list[str]:
    """*cases*, with those of a group in place of its word."""
    found: list[str] = []
    for name in cases:
        if name in GROUPS:
            module = importlib.import_module(f"benchmarks.cases.{GROUPS[name]}")
            found += [case.name for case in module.CASES]
        else:
            found.append(name)
    return found


def parser(names: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/run.py",
        description="Compare the package with other ways to do the same. Prints a "
        "table and writes a JSON file. Measures the installed package, or that of the "
        "checkout if none is installed. Words in the place of cases measure something "
        "else: auto, how much use_processes='auto' is behind the best choice; plans, "
        "how often an estimated speed-up is right; costs, what imports and small calls "
        "take; health, how soon a web service answers while it computes; flow, how "
        "fast items pass a flow; drills, how soon a flow is over what happens to it; "
        "jobs, how fast jobs are stored and run; joblib, its calls on our workers and "
        "on its own; web, a service for heavy work next to the plain ways to write it; "
        "faults, what one bad task among twenty costs. "
        "The word frames stands for all cases with data frames and with what else "
        "holds arrays.",
    )
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"all by default: {', '.join(names)}"
    )
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument(
        "--rounds", type=positive, default=5, metavar="N", help="5 by default"
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("bench.json"),
        metavar="FILE",
        help="where the figures go, every sample of them; bench.json by default",
    )
    parser.add_argument(
        "--add",
        type=Path,
        metavar="FILE",
        help="such a file of an earlier run: what it has of other cases is shown too",
    )
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="also put the figures into this page, such as docs/understand/speed.md",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="also draw the ratios to the best peers, with matplotlib if it is there; "
        "such as docs/understand/speed.svg",
    )
    return parser


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def facts_before(cases: list[str], rounds: int) -> dict[str, object]:
    from benchmarks.machine import load, machine

    command = ["python benchmarks/run.py", *cases, f"--rounds {rounds}"]
    return {
        "command": " ".join(command),
        "date": datetime.date.today().isoformat(),
        "rounds": rounds,
        "machine": machine(),
        "load_before": load(),
    }


def facts_after(facts: dict[str, object]) -> None:
    from benchmarks.machine import load

    facts["load_after"] = load()


def use_checkout_if_not_installed() -> None:
    """Let interpreters we start find the package as if it were installed."""
    if importlib.util.find_spec("cotality") is None:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


if __name__ == "__main__":
    sys.path[:1] = []
    use_checkout_if_not_installed()
    sys.path.append(str(ROOT))  # for the benchmarks; what is installed goes first
    sys.exit(main(sys.argv[1:]))
