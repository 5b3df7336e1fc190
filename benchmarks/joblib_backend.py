"""joblib on our workers and on its own: ``python benchmarks/run.py joblib --help``.

Each round starts a fresh interpreter for either backend, one after the other, and they
take turns in being the first. Each measures all cases; a case counts with the median of
its samples, and the ratio of the two with the median over the rounds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.machine import load, machine

CHILD = Path(__file__).with_name("joblib_child.py")
OURS, THEIRS = "cotality", "loky"
STUCK_AFTER = 600  # s; only guards against hanging
BAR = 1.0  # times what joblib takes on workers of its own, at most

# What was measured of each backend: for each round, the seconds of each case.
Figures = dict[str, list[dict[str, list[float]]]]

CASES = {
    "cold": "first import to the results of two tasks",
    "400 x 1 ms": "400 tasks of 1 ms, warm",
    "20,000 tiny": "20,000 tasks that do next to nothing, warm",
    "48 MB to 12": "one array of 48 MB to 12 tasks, warm",
    "first of scikit-learn": "the first cross_val_score, with its imports in workers",
    "cross_val_score": "10 trees, warm",
    "GridSearchCV": "20 fits of a logistic regression, warm",
    "RandomForest": "60 trees, warm",
}


def measured(backend: str) -> dict[str, list[float]]:
    """One interpreter's samples, in seconds."""
    ended = subprocess.run(
        [sys.executable, CHILD, backend],
        capture_output=True,
        encoding="utf-8",
        timeout=STUCK_AFTER,
    )
    if ended.returncode:
        raise RuntimeError(f"{backend}: {ended.stderr.strip()[-500:]}")
    samples: dict[str, list[float]] = json.loads(ended.stdout.splitlines()[-1])
    return samples


def ratios(figures: Figures, case: str) -> list[float]:
    """Our time by theirs, of each round."""
    return [
        median(ours[case]) / median(theirs[case])
        for ours, theirs in zip(figures[OURS], figures[THEIRS], strict=True)
    ]


def table(figures: Figures) -> str:
    lines = [
        f"{'':24}{'ours, ms':>10}{'loky, ms':>10}{'ratio':>8}   of the rounds",
    ]
    for case, what in CASES.items():
        times = [
            1000 * median(median(each[case]) for each in figures[backend])
            for backend in (OURS, THEIRS)
        ]
        found = ratios(figures, case)
        verdict = "met" if median(found) <= BAR else "MISSED"
        lines.append(
            f"{case:24}{times[0]:10.1f}{times[1]:10.1f}{median(found):8.2f}"
            f"   {min(found):.2f} to {max(found):.2f}   <= {BAR:g}   {verdict:8}{what}"
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
    figures: Figures = {OURS: [], THEIRS: []}
    for number in range(given.rounds):
        backends = (OURS, THEIRS) if number % 2 else (THEIRS, OURS)
        for backend in backends:
            figures[backend].append(measured(backend))
        print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    facts["load_after"] = load()
    print(table(figures))
    given.json.write_text(json.dumps({**facts, "figures": figures}, indent=1), "utf-8")
    return 0
