"""What the benchmark of the service has found: tables, a page, and its picture."""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import cpu_model
from benchmarks.marks import fill
from benchmarks.web_contenders import NAMES, ONE_BY_ONE, OURS, ROUTES
from benchmarks.web_tasks import METHODS, OUTSIDE, farthest_off, swapped
from benchmarks.webs import AFTERWARDS, AT_ONCE, CASES, Found

PAGE = Path(__file__).parents[1] / "docs" / "understand" / "web-speed.md"
PICTURE = PAGE.with_suffix(".svg")
BEGIN = "<!-- figures: begin; written by run.py web --page -->"
END = "<!-- figures: end -->"
IN_LOOP, IN_THREAD, IN_POOL = NAMES[0], NAMES[1], NAMES[2]


@dataclass(frozen=True)
class Wanted:
    """What was wanted before anything was measured: a figure, or a ratio of two.

    Attributes:
        most: At most this; None for what has to be at least *least*.
    """

    name: str
    case: str
    figure: str
    theirs: str | None = None
    most: float | None = None
    least: float | None = None
    ours: str = OURS

    def of_rounds(self, found: Found) -> list[float]:
        """The figure of each round in which there is one."""
        if self.case == "compare":
            return compared_rounds(found, self.figure)
        ours = found.get((self.case, self.ours), [])
        values = [each[self.figure] for each in ours]
        if self.theirs is None:
            return values
        others = [each[self.figure] for each in found.get((self.case, self.theirs), [])]
        return [one / two for one, two in zip(values, others, strict=False)]

    def is_met(self, value: float) -> bool:
        if self.most is not None:
            return value <= self.most
        return self.least is None or value >= self.least

    def cells(self, values: Sequence[float]) -> list[str]:
        bar = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:,g}"
        value = median(values)
        return [
            self.name,
            bar,
            f"{shown(value)}{'' if self.is_met(value) else ' (!)'}",
            f"{shown(min(values))} to {shown(max(values))}",
        ]


def wanted(fifty: int) -> list[Wanted]:
    whole = f"{fifty:,} items"
    return [
        Wanted(
            "worst ping, as a ratio to `async def`",
            *("eight", "worst_ping_ms", IN_LOOP, 0.1),
        ),
        Wanted(
            "worst ping, as a ratio to a `def` route",
            *("eight", "worst_ping_ms", IN_THREAD, 0.3),
        ),
        Wanted(
            "items a second, as a ratio to a `ProcessPoolExecutor`: `sequential`",
            *("eight", "items_per_second", IN_POOL),
            least=0.95,
            ours=ONE_BY_ONE,
        ),
        Wanted(
            "the same: `multiprocessing`, each item by itself",
            *("eight", "items_per_second", IN_POOL),
            least=0.95,
        ),
        Wanted(
            f"{whole}, as a ratio to `execute` outside",
            *("fifty", "seconds", OUTSIDE, 1.15),
        ),
        Wanted("`/health/live` meanwhile, p99, ms", "fifty", "p99_ms", most=50.0),
        Wanted("memory of the web process, more by MB", "fifty", "grown_mb", most=100),
        Wanted("items that can be read by paging", "fifty", "read", least=fifty),
        Wanted(
            "a short task meanwhile, as a ratio to the long one",
            *("fifty", "short_to_long", None, 1.0),
        ),
        Wanted(
            "estimates of a comparison, as a ratio to a full run: the farthest",
            *("compare", "off", None, 1.25),
        ),
        Wanted(
            "pairs of methods in another order by a second comparison",
            *("compare", "swapped", None, 0),
        ),
    ]


def compared_rounds(found: Found, figure: str) -> list[float]:
    of_methods = [found.get(("compare", method), []) for method in METHODS]
    say = {"off": farthest_off, "swapped": swapped}[figure]
    return [float(say(each)) for each in zip(*of_methods, strict=False)]


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def whole(value: float) -> str:
    return f"{value:g}"


def seconds(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.1f}"


def yes_or_no(value: float) -> str:
    return "yes" if value else "no"


Column = tuple[str, str, str, Callable[[float], str]]
SPEED: list[Column] = [
    ("eight", "items_per_second", "items a second", shown),
    ("eight", "worst_ping_ms", "worst ping, ms", shown),
    ("eight", "pings", "pings answered", shown),
    ("eight", "cpu_ms", "CPU an item, ms", shown),
]
FAULTS: list[Column] = [
    ("crash", "lost", f"crash: lost of {AT_ONCE}", whole),
    ("crash", "later_answered", f"answered afterwards, of {AFTERWARDS}", whole),
    ("crash", "back_s", "next one answered after, s", seconds),
    ("restart", "lost", f"restart: lost of {AT_ONCE}", whole),
    ("restart", "left_behind", "processes left behind", whole),
    ("restart", "starts", "starts again", yes_or_no),
]


def table(found: Found, columns: Sequence[Column]) -> str:
    """One row for each contender, with the median of its rounds."""
    rows = [
        [name]
        + [
            show(median(each[figure] for each in found[case, name]))
            if (case, name) in found
            else ""
            for case, figure, _, show in columns
        ]
        for name in NAMES
        if any((case, name) in found for case, *_ in columns)
    ]
    heads = ["service", *(head for _, _, head, _ in columns)]
    return markdown(heads, rows) if rows else ""


def compared_table(found: Found) -> str:
    """What comparisons say of each method, and what it takes."""
    rows = [
        [
            f"`{method}`",
            *(shown(median(each[name] for each in rounds)) for name in HEADS_COMPARED),
        ]
        for method in METHODS
        if (rounds := found.get(("compare", method)))
    ]
    heads = ["method", *HEADS_COMPARED.values()]
    return markdown(heads, rows) if rows else ""


HEADS_COMPARED = {
    "first": "estimate, s",
    "second": "estimate of a second one, s",
    "full": "a full run, s",
}


def wanted_table(found: Found, fifty: int) -> str:
    measured = [(each, each.of_rounds(found)) for each in wanted(fifty)]
    rows = [each.cells(values) for each, values in measured if values]
    return markdown(["what", "wanted", "measured", "rounds"], rows) if rows else ""


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    rules = ["---"] + ["--:"] * (len(heads) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows))


def tables(found: Found, given: argparse.Namespace) -> str:
    parts = [
        wanted_table(found, given.fifty),
        table(found, SPEED),
        table(found, FAULTS),
        compared_table(found),
    ]
    return "\n\n".join(filter(None, parts))


def not_measured(found: Found) -> str:
    """Which of the cases have no figures, if there are any."""
    missing = [case for case in CASES if case not in {each for each, _ in found}]
    return f" Not measured in this run: {', '.join(missing)}." if missing else ""


def titled(title: str, shown: str) -> str:
    return f"## {title}\n\n{shown}" if shown else ""


def write_page(found: Found, given: argparse.Namespace) -> None:
    """Put the tables into the page, and draw its picture."""
    cpus = len(os.sched_getaffinity(0))
    rounds = max(map(len, found.values()))
    parts = [
        f"Taken with `python benchmarks/run.py web --items {given.items}` on "
        f"{datetime.date.today().isoformat()}: up to {rounds} rounds, {cpu_model()}, "
        f"{cpus} CPUs, {platform.python_implementation()} "
        f"{platform.python_version()}, with a load of {os.getloadavg()[2]:.1f} over "
        f"the last 15 minutes, the benchmark included. `(!)` marks what was not "
        f"reached; the last column has the best and the worst round."
        f"{not_measured(found)}",
        wanted_table(found, given.fifty),
        "![Worst ping, items a second and lost requests of each service]"
        "(web-speed.svg)",
        titled(f"{AT_ONCE} requests at once", table(found, SPEED)),
        titled("A crash, and a restart", table(found, FAULTS)),
        titled("What a comparison says, and what is so", compared_table(found)),
    ]
    fill(PAGE, BEGIN, END, filter(None, parts))
    draw(found)


def draw(found: Found) -> None:
    """Three panels, with a row for each contender."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "cotality", "svg.fonttype": "none", "font.size": 9}
    )
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        *(1, 3), figsize=(10, 3.0), sharey=True, layout="constrained"
    )
    bars(axes[0], found, ("eight", "worst_ping_ms"), "worst ping, ms (left is better)")
    axes[0].set_xscale("log")
    bars(
        axes[1],
        found,
        ("eight", "items_per_second"),
        "items a second (right is better)",
    )
    lost(axes[2], found)
    axes[0].set_yticks(range(len(NAMES)), NAMES)
    axes[0].invert_yaxis()
    for axis in axes:
        axis.grid(axis="x", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    figure.savefig(PICTURE, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    # Without spaces at the ends of lines, which nobody wants in a repository.
    lines = PICTURE.read_text("utf-8").splitlines()
    PICTURE.write_text("".join(f"{line.rstrip()}\n" for line in lines), "utf-8")


def medians(found: Found, case: str, figure: str) -> list[float]:
    """Of each contender; none where nothing was measured."""
    rounds = [found.get((case, name), []) for name in NAMES]
    return [
        median([each[figure] for each in of_name] or [math.nan]) for of_name in rounds
    ]


COLOURS = ["#2a7f62" if name in ROUTES else "#8a8f98" for name in NAMES]


def bars(axis: Any, found: Found, what: tuple[str, str], title: str) -> None:
    axis.barh(range(len(NAMES)), medians(found, *what), color=COLOURS, height=0.6)
    axis.set_xlabel(title)


def lost(axis: Any, found: Found) -> None:
    for case, shift, colour in (
        ("crash", -0.17, "#c1652f"),
        ("restart", 0.17, "#7a4fa3"),
    ):
        places = [place + shift for place in range(len(NAMES))]
        values = medians(found, case, "lost")
        axis.barh(places, values, color=colour, height=0.32, label=case)
    axis.set_xlim(0, AT_ONCE)
    axis.set_xlabel(f"lost of {AT_ONCE} requests (left is better)")
    axis.legend(fontsize=7, loc="lower right")
