"""What the benchmark of flows wanted, what it found, and the page that says so."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import flow_contenders as who
from benchmarks import flow_http as web
from benchmarks.flows import BARE, CASES, Figures, medians
from benchmarks.marks import fill

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "understand" / "flow-speed.md"
PICTURE = PAGE.with_suffix(".svg")
BEGIN = "<!-- figures: begin; written by run.py flow --page -->"
END = "<!-- figures: end -->"

Place = tuple[str, int, str]


@dataclass(frozen=True)
class Wanted:
    """A ratio that was wanted before anything was measured.

    Attributes:
        figure: Of each round.
        is_least: Whether it has to be at least *bar*; otherwise at most.
    """

    name: str
    ours: Place
    theirs: Place
    figure: str
    bar: float
    is_least: bool = True


def rate(name: str, ours: Place, theirs: Place, bar: float) -> Wanted:
    return Wanted(name, ours, theirs, "per_second", bar)


def time(name: str, ours: Place, theirs: Place, bar: float, figure: str) -> Wanted:
    return Wanted(name, ours, theirs, figure, bar, is_least=False)


def trivial(callers: int, contender: str = who.OURS) -> Place:
    return "trivial", callers, contender


def megabyte(callers: int, contender: str = who.OURS) -> Place:
    return "megabyte", callers, contender


def computing(contender: str = who.OURS) -> Place:
    return "cpu", 64, contender


def over_http(contender: str = web.WITH_OURS) -> Place:
    return "http", 64, contender


WANTED = [
    rate(
        "rate, 64 callers, to Aqueduct Flow in process",
        *(trivial(64), trivial(64, who.AQUEDUCT_1), 4.0),
    ),
    rate(
        "rate, 64 callers, to Aqueduct SocketFlow",
        *(trivial(64), trivial(64, who.SOCKET_FLOW), 10.0),
    ),
    time(
        "one caller, p50, to SocketFlow",
        *(trivial(1), trivial(1, who.SOCKET_FLOW), 0.6, "p50_ms"),
    ),
    rate("rate, 1,024 callers to own 64", trivial(1024), trivial(64), 0.8),
    time(
        "256 callers, p99, to Aqueduct Flow",
        *(trivial(256), trivial(256, who.AQUEDUCT_1), 0.25, "p99_ms"),
    ),
    time(
        "1 MB array, one caller, p50, to share_value",
        *(megabyte(1), megabyte(1, who.SHARED), 0.25, "p50_ms"),
    ),
    rate(
        "1 MB array, 16 callers, rate, to share_value",
        *(megabyte(16), megabyte(16, who.SHARED), 6.0),
    ),
    rate("HTTP, to FastAPI alone", over_http(), over_http(web.PLAIN), 0.55),
    rate(
        "HTTP, to FastAPI and SocketFlow",
        *(over_http(), over_http(web.WITH_SOCKET_FLOW), 3.0),
    ),
    rate(
        "HTTP, to FastAPI and gunicorn's dirty workers",
        *(over_http(), over_http(web.WITH_DIRTY), 3.0),
    ),
    rate(
        "1 ms of computing, to two bare processes", computing(), computing(BARE), 0.92
    ),
    rate(
        "1 ms of computing, to Aqueduct Flow",
        *(computing(), computing(who.AQUEDUCT_1), 1.2),
    ),
    rate(
        "1 ms of computing, to ProcessPoolExecutor",
        *(computing(), computing(who.POOL), 1.1),
    ),
    time(
        "handlers of 0.1 to 50 ms, p99, to one item at a time",
        *(("pareto", 16, who.OWN), ("pareto", 16, who.BY_ONES), 1.3, "p99_ms"),
    ),
]


@dataclass(frozen=True)
class Found:
    """What became of a `Wanted`: the ratio of each round."""

    wanted: Wanted
    ratios: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def is_met(self) -> bool:
        bar = self.wanted.bar
        return self.ratio >= bar if self.wanted.is_least else self.ratio <= bar

    @property
    def to_bar(self) -> float:
        """How many times as good as was wanted."""
        times = self.ratio / self.wanted.bar
        return times if self.wanted.is_least else 1 / times

    def cells(self) -> list[str]:
        sign = "≥" if self.wanted.is_least else "≤"
        low, high = min(self.ratios), max(self.ratios)
        return [
            self.wanted.name,
            f"{sign} {self.wanted.bar:g}",
            f"{self.ratio:.2f}{'' if self.is_met else ' (!)'}",
            f"{low:.2f} to {high:.2f}",
        ]


def bars(figures: Figures) -> list[Found]:
    """Each ratio that can be told from *figures*."""
    found: list[Found] = []
    for wanted in WANTED:
        ours, theirs = figures.get(wanted.ours), figures.get(wanted.theirs)
        if ours and theirs:
            pairs = zip(ours, theirs, strict=False)
            ratios = [one[wanted.figure] / two[wanted.figure] for one, two in pairs]
            found.append(Found(wanted, ratios))
    return found


def bars_table(found: Sequence[Found]) -> str:
    heads = ["what", "wanted", "measured", "rounds"]
    return markdown(heads, [each.cells() for each in found], left=1)


def table(rows: Sequence[dict[str, Any]]) -> str:
    heads = ["callers", "contender", "per second", "p50, ms", "p99, ms", "CPU, µs"]
    formats: dict[str, Callable[[float], str]] = {
        "per_second": lambda each: f"{each:,.0f}",
        "p50_ms": lambda each: f"{each:.3g}",
        "p99_ms": lambda each: f"{each:.3g}",
        "cpu_us": lambda each: f"{each:,.0f}",
    }
    cells = [
        [f"{row['callers']:,}", str(row["contender"]) + failures(row)]
        + [show(row[each]) if each in row else "" for each, show in formats.items()]
        for row in rows
    ]
    return markdown(heads, cells, left=2)


def failures(row: dict[str, Any]) -> str:
    failed = row.get("failed", 0)
    return f" ({failed:,.0f} of {row['calls']:,.0f} not answered)" if failed else ""


def markdown(heads: list[str], rows: list[list[str]], left: int) -> str:
    rules = ["---"] * left + ["--:"] * (len(heads) - left)
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows))


def write_page(figures: Figures, rounds: int) -> None:
    cpus = len(os.sched_getaffinity(0))
    found = bars(figures)
    parts = [
        f"Taken with `python benchmarks/run.py flow`: {rounds} rounds on {cpus} "
        f"CPUs, CPython {platform.python_version()}, with a load of "
        f"{os.getloadavg()[2]:.0f} over the last 15 minutes. "
        f"{sum(each.is_met for each in found)} of {len(found)} were reached; "
        f"`(!)` marks the others. The last column has the ratios of the best and the "
        f"worst round.",
        bars_table(found),
        "![How far each ratio is from what was wanted, and how many calls a second "
        "each contender does](flow-speed.svg)",
    ]
    rows = medians(figures)
    for case in CASES.values():
        chosen = [row for row in rows if row["case"] == case.name]
        if chosen:
            parts += [f"## {case.title[0].upper()}{case.title[1:]}", table(chosen)]
    fill(PAGE, BEGIN, END, parts)


def draw(figures: Figures, found: Sequence[Found]) -> None:
    """On the left how far each ratio is from its bar, on the right the rates."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "cotality", "svg.fonttype": "none", "font.size": 8}
    )
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(
        *(1, 2), figsize=(10, 4.6), width_ratios=[1.2, 1], layout="constrained"
    )
    draw_bars(left, found)
    draw_rates(right, medians(figures))
    figure.savefig(PICTURE, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def draw_bars(axis: Any, found: Sequence[Found]) -> None:
    places = range(len(found))
    colours = ["#2a7f62" if each.is_met else "#c1652f" for each in found]
    widths = [each.to_bar - 1 for each in found]
    axis.barh(places, widths, left=1, color=colours, height=0.66)
    axis.set_xscale("log")
    axis.set_xlim(0.3, 10)
    axis.set_xticks([0.3, 0.5, 1, 2, 5, 10], ["0.3", "0.5", "1", "2", "5", "10"])
    axis.minorticks_off()
    axis.set_yticks(places, [each.wanted.name for each in found])
    axis.invert_yaxis()
    axis.axvline(1, color="black", linewidth=0.8)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_xlabel("times as good as was wanted (right is better)")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def draw_rates(axis: Any, rows: Sequence[dict[str, Any]]) -> None:
    for name in CASES["trivial"].contenders:
        of_name = [
            (row["callers"], row["per_second"])
            for row in rows
            if row["case"] == "trivial" and row["contender"] == name
        ]
        if of_name:
            style = "-o" if name in (who.OURS, who.OWN, who.ON_UVLOOP) else "--s"
            axis.plot(*zip(*of_name, strict=True), style, label=name, markersize=3)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xlabel("callers")
    axis.set_ylabel("calls a second")
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.legend(fontsize=7)
    axis.spines[["top", "right"]].set_visible(False)
