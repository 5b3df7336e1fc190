"""A comparison as a picture: a bar for each way, in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from cotality._kit import units

from .comparison import Timing

WIDTH, LEFT, RIGHT, ROW, TOP = 640, 90, 150, 34, 46  # pixels
BAR, TEXT, FAINT = "#2a7f62", "#222222", "#777777"
FONT = "font-family='Helvetica, Arial, sans-serif' font-size='14'"


def draw(path: Path, title: str, timings: Sequence[Timing]) -> None:
    """Write the picture *path*: the shorter a bar, the faster.

    Raises:
        OSError: That is not possible.
    """
    longest = max((each.seconds or 0.0 for each in timings), default=0.0) or 1.0
    height = TOP + ROW * len(timings) + 16
    rows = [row(place, each, longest) for place, each in enumerate(timings)]
    path.write_text(
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
        f"viewBox='0 0 {WIDTH} {height}' {FONT}>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n"
        f"<text x='16' y='28' fill='{TEXT}'>{escape(title)}</text>\n"
        + "\n".join(rows)
        + "\n</svg>\n",
        "utf-8",
    )


def row(place: int, timing: Timing, longest: float) -> str:
    top = TOP + ROW * place
    middle = top + ROW / 2 + 1
    name = (
        f"<text x='{LEFT - 10}' y='{middle}' fill='{TEXT}' text-anchor='end'>"
        f"{escape(timing.way)}</text>"
    )
    if timing.seconds is None:
        return (
            f"{name}<text x='{LEFT}' y='{middle}' fill='{FAINT}'>"
            f"{escape(timing.error[:70])}</text>"
        )
    width = max(1.0, timing.seconds / longest * (WIDTH - LEFT - RIGHT))
    return (
        f"{name}<rect x='{LEFT}' y='{top + 5}' width='{width:.1f}' height='{ROW - 14}' "
        f"rx='2' fill='{BAR}'/><text x='{LEFT + width + 8:.1f}' y='{middle}' "
        f"fill='{TEXT}'>{units.seconds(timing.seconds)}</text>"
    )
