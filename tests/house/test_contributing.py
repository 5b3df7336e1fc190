"""What people who carry on are told is so: commands, sessions, rooms, workflows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.test_docs import nox_sessions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

pytestmark = pytest.mark.one_python


def test_each_session_that_is_named_exists() -> None:
    """In the page and in the workflows, where one may be part of a matrix."""
    named = set(re.findall(r"nox -s (\w+)", PAGE))
    for file in WORKFLOWS:
        named |= set(re.findall(r"nox -s (\w+)", file.read_text("utf-8")))
        named |= {
            session
            for job in workflow(file)["jobs"].values()
            for session in job.get("strategy", {}).get("matrix", {}).get("session", [])
        }

    assert named >= {"build", "lint", "tests", "types"}
    assert named <= nox_sessions()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_do_little_and_not_for_ever(file: Path) -> None:
    """Nothing is allowed but what a job asks for, and each job has a time limit."""
    content = workflow(file)

    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert "write" not in job["permissions"].values() or "environment" in job
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_the_forms_for_issues_can_be_read() -> None:
    """And ask for the program that shows it."""
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    read = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in forms}

    assert {"config", "fault", "wish"} == set(read)
    assert any(each["id"] == "program" for each in read["fault"]["body"])


def workflow(file: Path) -> Any:  # Any: what YAML holds
    return yaml.safe_load(file.read_text("utf-8"))
