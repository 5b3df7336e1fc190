"""The small shop: what people run first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy")
pytest.importorskip("cronsim")
pytestmark = [
    pytest.mark.one_python,
    pytest.mark.skipif(sys.platform == "win32", reason="a worker is killed"),
]


def test_the_shop_loses_nothing(tmp_path: Path) -> None:
    """Every job is done, but for the one that kills whoever runs it."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "cotality.jobs.examples"],
        env=environment_of_scripts(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=6 * LONG_S,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    told = ended.stdout
    assert all(len(line) < 80 for line in told.splitlines())
    rows = re.findall(r"^  (\w+) +(\d+) +(\d+) +(\d+)  ", told, re.MULTILINE)
    found = {name: (int(jobs), int(done), int(dead)) for name, jobs, done, dead in rows}
    _, counted, lost = found.pop("count_stock")  # the clock goes on to the end
    assert counted >= 3
    assert lost == 0
    assert found == {
        "make_report": (1, 1, 0),
        "make_thumbnail": (6, 6, 0),
        "poison": (1, 0, 1),
        "send_mail": (6, 6, 0),
        "ship": (1, 1, 0),
        "take_payment": (1, 1, 0),
        "tell_followers": (1, 1, 0),
        "thank": (1, 1, 0),
    }
    assert "SIGKILL" in told
    assert re.search(r"make_report .*1 lost, 1 succeeded", told)
    assert "sees: a new product" in told
    assert "made by worker 2" in told
