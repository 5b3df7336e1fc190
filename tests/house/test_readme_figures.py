"""What the README says of other libraries is what our own runs have shown."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "understand"

# What a library is called in the README, and in the table of a case of speed.
IN_SPEED = {
    "joblib": "joblib, loky",
    "ProcessPoolExecutor": "ProcessPoolExecutor.submit",
}

Table = dict[str, dict[str, str]]  # by row and by column


def table_of(text: str, column: str) -> Table:
    """The first table of *text* whose head has *column*."""
    lines = iter(text.splitlines())
    head = next(cells for line in lines if column in (cells := cells_of(line)))
    next(lines)  # the rule
    found: Table = {}
    for line in lines:
        if not line.startswith("|"):
            break
        row, *values = cells_of(line)
        # A case of speed has tables of time and of memory in one: the first counts.
        found.setdefault(row, dict(zip(head[1:], values, strict=True)))
    return found


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_each_cell_is_from_a_page_that_a_benchmark_wrote() -> None:
    """Those about faults word by word, those about speed figure by figure."""
    shown = table_of((ROOT / "README.md").read_text("utf-8"), "pebble")
    faults = table_of((PAGES / "faults.md").read_text("utf-8"), "pebble")
    speed = (PAGES / "speed.md").read_text("utf-8")

    assert len(shown) >= 6
    for row, cells in shown.items():
        case = re.search(r"\(`([a-z-]+)`\)", row)
        if case is None:
            assert faults[row] == cells, row
            continue
        figures = table_of(speed.partition(f"### {case[1]}\n")[2], "best")
        for library, cell in cells.items():
            figure = figures[IN_SPEED.get(library, library)]
            assert cell == f"{figure['best']} {figure['unit']}", (row, library)
