"""The web service of the documentation, whose web workers share a flow."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.helpers import wait_until
from tests.servers import EXAMPLES, GUNICORN, serving

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn"),
    pytest.mark.one_python,
]


def test_two_web_workers_share_the_workers_of_a_flow(tmp_path: Path) -> None:
    """Both get answers of the same ones, and of new ones when those were killed."""
    with (
        TemporaryDirectory(prefix="flow-") as runtime,
        serving(
            [*GUNICORN, "-c", "gunicorn_config.py"],
            tmp_path / "log",
            max_workers=1,
            folder=EXAMPLES / "flow",
            variables={"XDG_RUNTIME_DIR": runtime},
        ) as service,
    ):

        def pid() -> int:
            status, answer = service.get("/words?text=one+two")
            assert (status, answer["words"]) == (200, 2)
            return int(answer["pid"])

        first = {pid() for _ in range(30)}
        assert len(first) <= 2
        for each in first:
            os.kill(each, signal.SIGKILL)
        wait_until(lambda: service.get("/health")[0] == 200)
        wait_until(lambda: not first & {pid() for _ in range(10)})
        url = f"http://127.0.0.1:{service.port}/metrics"
        with urllib.request.urlopen(url) as answer:
            assert b'cotality_flow_calls_total{outcome="value"}' in answer.read()
        assert list(Path(runtime).rglob("*.sock"))
        assert not service.end()
        assert not list(Path(runtime).rglob("*.sock"))
