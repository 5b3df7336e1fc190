"""How it is measured: each contender in a fresh interpreter, taking turns, in rounds.

The machine is never ours alone. So contenders alternate within a round, every case is
measured in each round, and what counts is the best and the median of all samples.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.contenders import OURS

CHILD = Path(__file__).with_name("child.py")
STUCK_AFTER = 300  # s; only guards against hanging

# What one contender measured in one interpreter: samples of each figure.
Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Figure:
    """One thing that a case measures.

    Attributes:
        key: Its name in the samples.
        unit: What the numbers are.
        higher_is_better: Which of two is the better one.
        comparable: Whether the ratio of two means something.
    """

    key: str
    unit: str
    higher_is_better: bool = False
    comparable: bool = True

    def best(self, samples: Iterable[float]) -> float:
        return max(samples) if self.higher_is_better else min(samples)

    def worst(self, samples: Iterable[float]) -> float:
        return min(samples) if self.higher_is_better else max(samples)


@dataclass(frozen=True)
class Target:
    """What we want to reach: of a figure of ours, or of a contender's against ours.

    Attributes:
        figure: The key of the figure.
        contender: Whose; None for the first of ours.
        limit: What the value is compared with.
        at_least: Whether that is the least it may be, or else the most.
        against_best: Whether the value is the ratio to the best peer.
    """

    figure: str
    contender: str | None
    limit: float
    at_least: bool
    against_best: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        times = "" if self.contender is None else "x"
        if self.against_best:
            times = "x the best peer"
        elif self.contender is not None and self.contender.startswith(OURS):
            times = ""
        digits = 0 if self.limit >= 10 else 2
        shown = f"{self.limit:,.{digits}f}"
        return f"{sign} {shown}{times}"


def at_most(figure: str, limit: float) -> Target:
    """Our *figure* is at most *limit*."""
    return Target(figure, None, limit, at_least=False)


def at_least(figure: str, limit: float) -> Target:
    """Our *figure* is at least *limit*."""
    return Target(figure, None, limit, at_least=True)


def at_most_of_best(figure: str, limit: float, contender: str | None = None) -> Target:
    """Our *figure* is at most so many times that of the best peer."""
    return Target(figure, contender, limit, at_least=False, against_best=True)


def at_least_ours(figure: str, contender: str, times: float) -> Target:
    """The contender's *figure* is at least so many times ours."""
    return Target(figure, contender, times, at_least=True)


@dataclass(frozen=True)
class Case:
    """Something to measure, and those who do it; the first of them is ours.

    Attributes:
        cold: Those contenders whose workers are started while the clock runs. They
            are only compared with each other.
    """

    name: str
    about: str
    contenders: Mapping[str, Callable[[], Samples]]
    figures: tuple[Figure, ...]
    targets: tuple[Target, ...] = ()
    cold: frozenset[str] = frozenset()

    @property
    def ours(self) -> str:
        return next(iter(self.contenders))

    def peers(self, *, cold: bool) -> list[str]:
        """The others that start as warm or as cold; no mere yardsticks."""
        return [
            name
            for name in self.contenders
            if (name in self.cold) == cold and not is_ours(name) and "(" not in name
        ]

    def ours_like(self, contender: str) -> str | None:
        """The first of ours that starts as warm or as cold as *contender*."""
        cold = contender in self.cold
        ours = (name for name in self.contenders if is_ours(name))
        return next((name for name in ours if (name in self.cold) == cold), None)


def is_ours(contender: str) -> bool:
    return contender.startswith((OURS, "Isolated"))


@dataclass
class Result:
    """All samples of a case, and what went wrong instead."""

    case: Case
    samples: dict[str, Samples] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, samples: Samples) -> None:
        mine = self.samples.setdefault(contender, {})
        for key, values in samples.items():
            mine.setdefault(key, []).extend(values)

    def rows(self) -> Iterable[Row]:
        for figure in self.case.figures:
            for contender in self.case.contenders:
                if figure.key in self.samples.get(contender, {}):
                    yield self.row(figure, contender)

    def row(self, figure: Figure, contender: str) -> Row:
        samples = self.samples[contender][figure.key]
        reference = self.case.ours_like(contender)
        ours = self.samples.get(reference or "", {}).get(figure.key)
        # Without a ratio to mislead, the careful figure is the worst one seen.
        best = (figure.best if figure.comparable else figure.worst)(samples)
        ratio = None
        if figure.comparable and ours and contender != reference:
            ratio = best / figure.best(ours)
        to_best = None
        best_peer = self.best_peer(figure, cold=contender in self.case.cold)
        if is_ours(contender) and best_peer is not None:
            to_best = best / best_peer[1]
        return Row(
            self.case,
            figure,
            contender,
            best,
            median(samples),
            ratio,
            to_best,
            self.verdict(figure, contender, best, ratio, to_best),
        )

    def best_peer(self, figure: Figure, *, cold: bool) -> tuple[str, float] | None:
        """The name and the best sample of who else is best."""
        found = {
            name: figure.best(self.samples[name][figure.key])
            for name in self.case.peers(cold=cold)
            if figure.key in self.samples.get(name, {})
        }
        if not figure.comparable or not found:
            return None
        name = (max if figure.higher_is_better else min)(found, key=found.__getitem__)
        return name, found[name]

    def verdict(
        self,
        figure: Figure,
        contender: str,
        best: float,
        ratio: float | None,
        to_best: float | None,
    ) -> tuple[Target, bool] | None:
        named = None if contender == self.case.ours else contender
        for target in self.case.targets:
            if (target.figure, target.contender) != (figure.key, named):
                continue
            value = best if ratio is None or is_ours(contender) else ratio
            if target.against_best:
                if to_best is None:
                    return None
                value = to_best
            return target, target.is_met(value)
        return None


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        best: The best of all samples; the worst for a figure that has no ratio.
        ratio: By how much it is more than ours; None for ours.
        to_best: By how much one of ours is more than the best peer.
        verdict: What was wanted and whether it was reached, if something was.
    """

    case: Case
    figure: Figure
    contender: str
    best: float
    median: float
    ratio: float | None
    to_best: float | None
    verdict: tuple[Target, bool] | None

    @property
    def is_ahead_of_us(self) -> bool:
        """Whether this contender is better than ours, by more than noise."""
        if self.ratio is None or is_ours(self.contender):
            return False
        if "(" in self.contender:  # a yardstick, no contender
            return False
        better = self.ratio if self.figure.higher_is_better else 1 / self.ratio
        return better > 1.03


def measure(cases: Iterable[Case], rounds: int) -> list[Result]:
    """The samples of *rounds* rounds."""
    results = [Result(case) for case in cases]
    for number in range(rounds):
        for result in results:
            measure_once(result, number, rounds)
    say("")
    return results


def measure_once(result: Result, number: int, rounds: int) -> None:
    contenders = [c for c in result.case.contenders if c not in result.problems]
    first = number % len(contenders) if contenders else 0
    for contender in contenders[first:] + contenders[:first]:
        say(f"round {number + 1} of {rounds}: {result.case.name}, {contender}")
        try:
            result.add(contender, in_fresh_interpreter(result.case.name, contender))
        except (subprocess.SubprocessError, ValueError) as error:
            result.problems[contender] = problem_of(error)


def in_fresh_interpreter(case: str, contender: str) -> Samples:
    done = subprocess.run(
        [sys.executable, CHILD, case, contender],
        check=True,
        capture_output=True,
        text=True,
        timeout=STUCK_AFTER,
    )
    samples: Samples = json.loads(done.stdout.splitlines()[-1])
    return samples


def problem_of(error: Exception) -> str:
    """One line that says why a contender has no samples."""
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.strip().splitlines()
        return lines[-1] if lines else f"ended with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no result within {STUCK_AFTER} s"
    return f"{type(error).__name__}: {error}"


def say(text: str) -> None:
    """Show *text* in place of what was shown before, if somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
