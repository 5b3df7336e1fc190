"""Whoever wants to change something finds the file for it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from cotality import _kit
from cotality.core.utils import _process, process_examples
from cotality.flow import _flow
from cotality.joblib import _joblib
from cotality.jobs import _jobs
from cotality.tuning import _tuning
from cotality.web import _web

MAPS = [
    file
    for package in (
        *(_kit, _process, process_examples),
        *(_tuning, _flow, _jobs, _joblib, _web),
    )
    for file in sorted(Path(package.__path__[0]).rglob("__init__.py"))
]
# About what a person takes in at one look. Of examples there may be more.
MOST_FILES = 17
ROOMS = [file for file in MAPS if file.parent.name != "process_examples"]


def name_of(file: Path) -> str:
    return file.parent.name


@pytest.mark.parametrize("file", MAPS, ids=name_of)
def test_a_package_names_each_of_its_modules_once(file: Path) -> None:
    """Its docstring is a map: all of them are on it, none twice, and nothing else."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    named = Counter(re.findall(r"(?<!:)`(\w+)`", text))
    files = {path.stem for path in file.parent.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in file.parent.glob("*/__init__.py")}

    assert named == Counter(files | packages)


@pytest.mark.parametrize("file", ROOMS, ids=name_of)
def test_a_room_has_few_files(file: Path) -> None:
    """If there are more, a second idea lives there, and gets a room within the room."""
    files = sorted(path.name for path in file.parent.glob("*.py"))

    assert len(files) <= MOST_FILES, files
