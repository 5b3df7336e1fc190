"""Every command that is given ``module:name`` says what is wrong with it alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "flow": ("cotality.flow", "serve", "{}"),
    "jobs": ("cotality.jobs", "list", "{}"),
    "tuning": ("cotality.tuning", "run", "{}", "--data", "-"),
}
WRONG = {
    "made_up": "is given as module:name, such as",
    "made_up.thing": "did you mean made_up:thing?",
    "made_up.py:thing": "A module is given by its name: made_up",
    "folder/made_up.py:thing": "A module is given by its name: folder.made_up",
    "mad_up:thing": "No module named 'mad_up'. It was looked for in",
    "made_up:thin": "made_up has no 'thin': did you mean 'thing'?",
    "made_up:thing.part": "made_up.thing has no 'part'",
}


@pytest.mark.parametrize("floor", COMMANDS)
@pytest.mark.parametrize("name", WRONG)
def test_a_name_that_stands_for_nothing(floor: str, name: str, tmp_path: Path) -> None:
    done = run(floor, name, tmp_path, "thing = 3\n")

    assert done.returncode in (1, 2)
    assert WRONG[name] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("floor", COMMANDS)
def test_a_module_that_is_there_and_needs_what_is_not(
    floor: str, tmp_path: Path
) -> None:
    """It is not said to be missing itself: the traceback shows its line."""
    done = run(floor, "made_up:thing", tmp_path, "import no_such_thing\n")

    assert done.returncode != 0
    assert "import no_such_thing" in done.stderr
    assert "made_up'" not in done.stderr


def run(
    floor: str, name: str, folder: Path, text: str
) -> subprocess.CompletedProcess[str]:
    (folder / "made_up.py").write_text(text)
    arguments = [each.replace("{}", name) for each in COMMANDS[floor]]
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
