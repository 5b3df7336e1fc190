"""The picture of the rooms and the page that sends people there are as the house is."""

from __future__ import annotations

import re
import runpy
from fnmatch import fnmatch
from pathlib import Path

import pytest

from cotality.core.utils import _process

ROOT = Path(__file__).parents[2]
ROOMS = Path(_process.__path__[0])

pytestmark = pytest.mark.one_python


def test_the_picture_is_as_the_contracts_are() -> None:
    """``python docs/draw_rooms.py`` draws it anew."""
    draw_rooms = runpy.run_path(f"{ROOT / 'docs' / 'draw_rooms.py'}")

    assert draw_rooms["drawn"]() == draw_rooms["PICTURE"].read_text("utf-8")


def test_people_are_sent_to_rooms_that_there_are() -> None:
    """Each row of the table names rooms, and files in them."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = [line.split(" | ")[1] for line in page.splitlines() if " | " in line][1:]
    named = {name for row in rows for name in re.findall(r"`([\w.*]+)`", row)}
    there = {path.name for path in ROOMS.rglob("*") if path.suffix in {"", ".py"}}

    assert len(rows) > 10
    for name in named:
        assert any(fnmatch(each, name) for each in there), name
