"""The tables of the reference say what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cotality.web import Settings, create_app
from cotality.web._web.cli.command_line import parser
from cotality.web._web.models.comparisons import MethodFigures, PerformanceComparison
from cotality.web._web.models.configs import CompareConfig
from cotality.web._web.models.kinds import TaskStatus
from cotality.web._web.models.tasks import TaskResult

PAGE = Path(__file__).parents[2] / "docs" / "look-up" / "web.md"
# What nobody asks for who uses the service: it may be refused anywhere.
REFUSED = range(400, 600)

pytestmark = pytest.mark.one_python


def rows_of(title: str) -> list[list[str]]:
    """The cells of the rows of the table below a heading, without its head."""
    part = PAGE.read_text("utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]
    ]


def name_in(cell: str) -> str:
    (name,) = re.findall(r"^`([^`]+)`$", cell)
    return str(name)


def test_every_setting_is_there_with_its_default() -> None:
    """In the order of the class."""
    rows = rows_of("Settings")
    fields = Settings.model_fields
    assert [name_in(row[0]) for row in rows] == [*fields]
    for name, default, _ in rows:
        value = fields[name_in(name)].get_default(call_default_factory=True)
        match value:
            case bool() | None | () | {}:
                assert default in ("none", "a file there"), name
            case int() | float():
                assert float(default) == value, name
            case _:
                assert name_in(default) == f"{value}", name


def test_every_field_of_a_task_is_there() -> None:
    """With its default, where it is a figure."""
    rows = rows_of("What a task can be told")
    assert [name_in(row[0]) for row in rows] == [*CompareConfig.model_fields]
    for name, default, _ in rows:
        value = CompareConfig.model_fields[name_in(name)].default
        if isinstance(value, int) and not isinstance(value, bool):
            assert f"{value}" in default, name


def test_every_route_is_there_with_its_answers(tmp_path: Path) -> None:
    """As OpenAPI has them; what may be refused has a table of its own."""
    app = create_app(Settings(state_dir=tmp_path))
    paths: dict[str, dict[str, Any]] = app.openapi()["paths"]
    offered = {
        f"{method.upper()} {path}": operation["responses"]
        for path, of_path in paths.items()
        for method, operation in of_path.items()
    }
    rows = {name_in(row[0]): row[2] for row in rows_of("Routes")}
    assert rows.keys() == offered.keys()
    explained = {int(row[0]) for row in rows_of("What is refused")}
    for route, answers in rows.items():
        told = {int(each) for each in answers.split(", ")}
        there = {int(each) for each in offered[route]}
        assert told - {503} == {each for each in there if each not in REFUSED}, route
        assert there & set(REFUSED) <= explained, route


def test_every_field_of_an_answer_is_named() -> None:
    """Those of a task and of a comparison."""
    text = PAGE.read_text("utf-8").split("## What a task says")[1]
    named = set(re.findall(r"`(\w+)`", text))
    assert named >= set(TaskResult.model_fields)
    assert named >= set(TaskStatus)
    assert named >= set(MethodFigures.model_fields) - {
        "method",
        "checksum",
        "is_estimate",
    }
    assert named >= {
        *("best_approach", "reason", "improvement_factor", "checksums_equal"),
        "sequential_time",
    }
    assert named & set(PerformanceComparison.model_fields)


def test_every_option_of_the_command_is_there() -> None:
    """With nothing that there is not."""
    rows = [name_in(row[0]).split()[0] for row in rows_of("Command")]
    made = [each for action in parser()._actions for each in action.option_strings]
    assert set(rows) == {each for each in made if each not in ("-h", "--help")}
