"""joblib on our workers and on its own: ``python benchmarks/run.py joblib --help``.

Each round starts a fresh interpreter for either backend. The two are given one case
after the other, once each to get warm, and then take turns with every single sample:
what else the machine does then strikes both. What counts is the median of the ratios of
such pairs, over all rounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles

from benchmarks.machine import load, machine

CHILD = Path(__file__).with_name("joblib_child.py")
OURS, THEIRS = "cotality", "loky"
SAMPLES = 7
BAR = 1.0  # times what joblib takes on workers of its own, at most

# Of each case, the seconds of ours and of theirs, sample by sample.
Pairs = list[tuple[float, float]]

CASES = {
    "cold": "first import to the results of two tasks",
    "first": "the first cross_val_score, with its imports in workers",
    "small": "4 tasks that do next to nothing, warm",
    "milliseconds": "400 tasks of 1 ms, warm",
    "tiny": "20,000 tasks that do next to nothing, warm",
    "array": "one array of 48 MB to 12 tasks, warm",
    "validation": "cross_val_score of 10 trees, warm",
    "grid": "GridSearchCV, 20 fits of a logistic regression, warm",
    "forest": "RandomForestClassifier of 60 trees, warm",
}
NOT_ASKED = ("cold", "first")  # that are measured on the way


class Child:
    """An interpreter that uses one backend."""

    def __init__(self, backend: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, CHILD, backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def answer(self) -> float:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended: {self.process.wait()}")
        return float(line)

    def run(self, case: str) -> float:
        """The seconds that *case* takes once."""
        assert self.process.stdin is not None
        print(case, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(turn: int, found: dict[str, Pairs]) -> None:
    """Add what one round shows to *found*."""
    backends = [OURS, THEIRS] if turn % 2 else [THEIRS, OURS]
    children: dict[str, Child] = {}
    seconds: dict[str, float] = {}
    try:
        for each in backends:
            children[each] = Child(each)
            seconds[each] = children[each].answer()
        found["cold"].append((seconds[OURS], seconds[THEIRS]))
        for case in CASES:
            if case in NOT_ASKED:
                continue
            for sample in range(-1, SAMPLES):
                for each in backends if sample % 2 else reversed(backends):
                    seconds[each] = children[each].run(case)
                if sample >= 0:
                    found[case].append((seconds[OURS], seconds[THEIRS]))
                elif case == "validation":
                    found["first"].append((seconds[OURS], seconds[THEIRS]))
    finally:
        for child in children.values():
            child.close()


def table(found: dict[str, Pairs]) -> str:
    lines = [f"{'':14}{'ours, ms':>10}{'loky, ms':>10}{'ratio':>8}   half of them"]
    for case, what in CASES.items():
        pairs = found[case]
        ratios = [ours / theirs for ours, theirs in pairs]
        low, ratio, high = quantiles(ratios) if len(ratios) > 1 else ratios * 3
        ours, theirs = (1000 * median(side) for side in zip(*pairs, strict=True))
        verdict = "met" if ratio <= BAR else "MISSED"
        lines.append(
            f"{case:14}{ours:10.1f}{theirs:10.1f}{ratio:8.2f}   {low:.2f} to {high:.2f}"
            f"   <= {BAR:g}   {verdict:8}{what}"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="run.py joblib", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="5 by default")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("joblib.json"),
        help="where the figures go, every sample of them; joblib.json by default",
    )
    given = parser.parse_args(arguments)
    facts: dict[str, object] = {
        "command": f"python benchmarks/run.py joblib --rounds {given.rounds}",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "load_before": load(),
    }
    found: dict[str, Pairs] = {case: [] for case in CASES}
    for number in range(given.rounds):
        measure(number, found)
        print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    facts["load_after"] = load()
    print(table(found))
    given.json.write_text(json.dumps({**facts, "seconds": found}, indent=1), "utf-8")
    return 0
