"""An exception that strikes the calling thread anywhere leaves nothing wrong behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers import environment_of_scripts
from tests.limits import GUARD_S
from tests.strikes import SCENARIOS

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="what is left over is read from /proc"
)

# Of the different instructions: some dozens. `nox -s interrupts` takes all of them.
SHARE = {"executor": 0.1, "executors-end": 0.03, "execute": 0.1, "own-workers": 0.003}
USUAL_SHARE = 0.006


@pytest.mark.one_python
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_exception_at_any_instruction_does_no_harm(scenario: str) -> None:
    """Further calls give right results, no task runs twice, and nothing is left."""
    strike(scenario, "--share", f"{SHARE.get(scenario, USUAL_SHARE)}")


@pytest.mark.one_python
@pytest.mark.parametrize("file", ["loan.py", "handle.py"])
def test_an_exception_while_a_caller_gives_an_item_to_a_worker(file: str) -> None:
    """At each instruction of it."""
    strike("executor", "--file", file)


def strike(*arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.strikes", *arguments],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=GUARD_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 struck" not in ended.stdout
