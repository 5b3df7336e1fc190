"""An exception that strikes the calling thread anywhere leaves nothing wrong behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import GUARD_S
from tests.kit.struck_calls import SCENARIOS

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="what is left over is read from /proc"
)

# Some of the different instructions: one for each of the three kinds at each of the
# three times. `nox -s interrupts` takes all of them.
ROUNDS = 9
AT_ONCE = 3  # scenarios of one program, which takes a while to start
ALL = 1000
SOME = 40
NAMES = list(SCENARIOS)
PROGRAMS = [NAMES[i : i + AT_ONCE] for i in range(0, len(NAMES), AT_ONCE)]


@pytest.mark.one_python
@pytest.mark.parametrize("scenarios", PROGRAMS, ids=" ".join)
def test_an_exception_at_any_instruction_does_no_harm(scenarios: list[str]) -> None:
    """Further calls give right results, no task runs twice, and nothing is left."""
    strike(*scenarios, "--rounds", f"{ROUNDS}")


@pytest.mark.one_python
@pytest.mark.parametrize("file", ["loan.py", "handle.py"])
def test_an_exception_while_a_caller_gives_an_item_to_a_worker(file: str) -> None:
    """At each instruction of it."""
    strike("executor", "--file", file, "--rounds", f"{ALL}")


@pytest.mark.one_python
def test_an_exception_while_a_portion_is_packed() -> None:
    """What it leaves behind does not change what other calls of the thread pack."""
    strike("cells-and-executor", "--file", "script/needed.py", "--rounds", f"{SOME}")


def strike(*arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.kit.strikes", *arguments],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=GUARD_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 struck" not in ended.stdout
