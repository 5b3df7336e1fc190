"""The module that programs import: everything is there, and little is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cotality.core.utils import process
from tests.helpers import environment_of_scripts
from tests.limits import LONG_S


@pytest.mark.parametrize("name", process.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Whether it is imported with the module or when it is asked for."""
    thing = getattr(process, name)

    assert getattr(thing, "__name__", name) == name
    assert name in dir(process)


def test_what_is_imported_later_is_public() -> None:
    """And nothing else: a name that is not there says so."""
    assert process.LATER.keys() <= set(process.__all__)
    assert not hasattr(process, "no_such_thing")
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        _ = process.no_such_thing  # type: ignore[attr-defined]  # that is the point


def test_a_program_waits_for_what_it_uses() -> None:
    """Threads need nothing of what processes, journals and reports need."""
    source = (
        "import sys\n"
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "execute_tasks_in_parallel([Task(abs, positional=(-1,))])\n"
        "print(*sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
        check=True,
    )

    loaded = set(ended.stdout.split())
    ours = "cotality.core.utils._process"
    for name in ("worker", "pool", "journal", "report", "progress", "explain", "auto"):
        assert f"{ours}.{name}" not in loaded
    assert not loaded & {"multiprocessing", "asyncio", "subprocess", "json"}
