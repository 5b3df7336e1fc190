"""The picture: for each case, our time as a ratio to that of the best peer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders import OURS
from benchmarks.measure import Result, is_ours

AHEAD, BEHIND = "#2a7f62", "#c1652f"
WITHIN_NOISE = 1.03


class Bar(NamedTuple):
    """How one of ours does in one figure of one case."""

    label: str
    peer: str
    times: float  # as long as the best peer


def draw(path: Path, results: Iterable[Result]) -> bool:
    """Draw the picture *path*; False if there is no matplotlib to draw it with."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "cotality", "svg.fonttype": "none", "font.size": 9}
    )
    from matplotlib import pyplot

    results = list(results)
    panels = {
        "Warm: workers are there": bars(results, cold=False),
        "Cold: workers are started while the clock runs": bars(results, cold=True),
    }
    panels = {title: found for title, found in panels.items() if found}
    rows = sum(map(len, panels.values()))
    figure, axes = pyplot.subplots(
        nrows=max(1, len(panels)),
        sharex=True,
        squeeze=False,
        figsize=(9, 1.6 + 0.34 * rows + 0.5 * len(panels)),
        height_ratios=[len(found) + 0.5 for found in panels.values()] or [1],
        layout="constrained",
    )
    for axis, (title, found) in zip(axes.flat, panels.items(), strict=False):
        draw_panel(axis, title, found)
    axes.flat[-1].set_xlabel("times as long as the best peer (left is faster)")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, bbox_inches="tight")
    pyplot.close(figure)
    return True


def bars(results: Iterable[Result], *, cold: bool) -> list[Bar]:
    found = []
    for result in results:
        case = result.case
        figures = [figure for figure in case.figures if figure.comparable]
        for row in result.rows():
            if not is_ours(row.contender) or (row.contender in case.cold) != cold:
                continue
            peer = result.best_peer(row.figure, cold=cold)
            if peer is None or row.to_best is None:
                continue
            name, times = case.name, row.to_best
            if row.contender != case.ours:
                name += row.contender.removeprefix(OURS).replace(", ", " · ", 1)
            if row.figure is not figures[0]:
                name += f" · {row.figure.unit.removeprefix('s, ')}"
            if row.figure.higher_is_better:
                times = 1 / times
            found.append(Bar(name, peer[0], times))
    return found


def draw_panel(axis: Any, title: str, found: list[Bar]) -> None:
    places = range(len(found))
    colours = [AHEAD if bar.times <= WITHIN_NOISE else BEHIND for bar in found]
    # From 1, not from 0: what is twice as fast and twice as slow look alike.
    axis.barh(
        places,
        [bar.times - 1 for bar in found],
        left=1,
        color=colours,
        height=0.66,
    )
    axis.set_xscale("log")
    axis.set_xlim(0.02, 300)
    axis.set_xticks([0.03, 0.1, 0.3, 1, 3, 10, 30])
    axis.set_xticklabels(["0.03", "0.1", "0.3", "1", "3", "10", "30"])
    axis.minorticks_off()
    axis.set_yticks(places, [bar.label for bar in found])
    axis.invert_yaxis()
    axis.axvline(1, color="black", linewidth=0.8)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_title(title, loc="left", fontweight="bold")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    for place, bar in enumerate(found):
        axis.annotate(
            f"{bar.times:.2f} of {bar.peer}",
            (max(bar.times, 1), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
