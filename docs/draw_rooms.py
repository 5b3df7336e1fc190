"""Draws the rooms of the house, as the contracts in ``pyproject.toml`` order them.

``python docs/draw_rooms.py`` writes ``docs/understand/rooms.svg``. A test compares what
is drawn with what is there, so the picture is never older than the contracts.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "understand" / "rooms.svg"

WIDTH = 560  # all lengths in pixels
MARGIN = 12
GAP = 8
TITLE = 24  # the height of the name of a floor
BOX = 28  # of a room with nothing but its name
LINE = 14
CHARACTER = 6.1  # the width of one, about
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.floor { font-weight: 600; font-size: 13px }
.room { font-weight: 600; font-family: ui-monospace, monospace }
.what { font-size: 11px; fill: #57606a }
rect { fill: #fff; stroke: #d0d7de }
.back { fill: #f6f8fa }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .what { fill: #9198a1 }
  rect { fill: #151b23; stroke: #3d444d } .back { fill: #0d1117 }
}
"""


@dataclass(frozen=True)
class Floor:
    """Rooms in layers, the upper ones first."""

    name: str
    package: str
    layers: list[list[str]]


FLOORS = {
    "cotality.web._web": "cotality.web: a service for heavy work, over HTTP",
    "cotality.flow._flow": "cotality.flow: one set of workers for all callers",
    "cotality.jobs._jobs": "cotality.jobs: calls that are stored, and run until done",
    "cotality.joblib._joblib": "cotality.joblib: what uses joblib, on our workers",
    "cotality.tuning._tuning": "cotality.tuning: function and data in, results out",
    "cotality.core.utils._process": "cotality.core.utils.process: tasks and workers",
}


def floors() -> list[Floor]:
    """What the contracts say of the packages that are drawn."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    ordered = {
        container: contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
        for container in contract["containers"]
    }
    return [
        Floor(name, package, [layer.split(" | ") for layer in ordered[package]])
        for package, name in FLOORS.items()
    ]


def what_lives_in(package: str, room: str) -> str:
    """The first sentence of the room's docstring."""
    folder = Path(import_module(package).__path__[0])
    file = folder / room / "__init__.py"
    if not file.exists():  # a room with one file
        file = folder / f"{room}.py"
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    first = text.partition("\n")[0].partition(" Stands on ")[0]
    return first.replace("`", "").rstrip(".").removesuffix(":")


def drawn() -> str:
    """The picture, as SVG."""
    parts: list[str] = []
    y = MARGIN
    for floor in floors():
        rows: list[str] = []
        top = y + TITLE
        for layer in floor.layers:
            drawn_boxes, height = boxes(floor.package, layer, top)
            rows += drawn_boxes
            top += height + GAP
        height = top - y
        parts.append(
            f'<rect class="back" x="{MARGIN}" y="{y}" '
            f'width="{WIDTH - 2 * MARGIN}" height="{height}" rx="6"/>'
        )
        parts.append(text(MARGIN + GAP, y + 17, "floor", floor.name))
        parts += rows
        y += height + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
        f'role="img" aria-label="The rooms of each floor, from the top down">'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def boxes(package: str, layer: list[str], top: int) -> tuple[list[str], int]:
    """The rooms of one layer, side by side, and how high they are."""
    left = MARGIN + GAP
    width = (WIDTH - 2 * left - (len(layer) - 1) * GAP) / len(layer)
    most = int((width - 16) / CHARACTER)
    wrapped = [textwrap.wrap(what_lives_in(package, room), most) for room in layer]
    height = BOX + LINE * max(len(lines) for lines in wrapped)
    parts: list[str] = []
    for number, (room, lines) in enumerate(zip(layer, wrapped, strict=True)):
        x = round(left + number * (width + GAP))
        parts.append(
            f'<rect x="{x}" y="{top}" width="{round(width)}" height="{height}" rx="4"/>'
        )
        parts.append(text(x + 8, top + 17, "room", room))
        for row, line in enumerate(lines):
            parts.append(text(x + 8, top + 32 + row * LINE, "what", line))
    return parts, height


def text(x: int, y: int, kind: str, content: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(content)}</text>'


if __name__ == "__main__":
    sys.path.insert(0, f"{ROOT}")
    PICTURE.write_text(drawn(), "utf-8")
