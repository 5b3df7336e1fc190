"""What is the same for every command line of the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cotality.core.utils.dead_letters import main as dead_letters
from cotality.core.utils.journal import main as journal
from cotality.tuning._tuning.cli.command_line import main as tuning

Main = Callable[[Sequence[str]], int]
ASKED: dict[str, tuple[Main, list[str]]] = {
    "journal": (journal, ["FILE"]),
    "journal, failed": (journal, ["FILE", "--failed"]),
    "list": (dead_letters, ["list", "FILE"]),
    "show": (dead_letters, ["show", "FILE", "key"]),
    "retry": (dead_letters, ["retry", "FILE"]),
    "purge": (dead_letters, ["purge", "FILE", "--all"]),
    "debug": (dead_letters, ["debug", "FILE", "key"]),
    "explain": (tuning, ["explain", "math:sqrt", "--data", "FILE"]),
    "run": (tuning, ["run", "math:sqrt", "--data", "FILE"]),
    "bench": (tuning, ["bench", "math:sqrt", "--data", "FILE"]),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_missing_file_gives_the_same_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every command line, on standard error; and the same exit code."""
    main, arguments = ASKED[name]
    missing = str(tmp_path / "missing")

    status = main([missing if each == "FILE" else each for each in arguments])

    assert status == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"there is no file '{missing}'\n"


def test_a_missing_plan_gives_the_same_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a file as well."""
    data, plan = tmp_path / "data", tmp_path / "plan"
    data.write_text("1\n")

    assert tuning(["run", "math:sqrt", "--data", f"{data}", "--plan", f"{plan}"]) == 2

    assert capsys.readouterr().err == f"there is no file '{plan}'\n"


@pytest.mark.parametrize("name", ASKED)
def test_a_folder_in_the_place_of_a_file_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what the system says of it."""
    main, arguments = ASKED[name]

    status = main([f"{tmp_path}" if each == "FILE" else each for each in arguments])

    assert status == 2
    assert str(tmp_path) in capsys.readouterr().err
