"""Programs whose standard library has been patched, as green threads do it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.kit.helpers import run_script

CALL = """
import time
from cotality.core.utils.process import *
def call():
    tasks = [Task.of(pow, i, 2) for i in range(5)] + [Task.of(time.sleep, 0.001)] * 5
    return execute_tasks_in_parallel(tasks, 2, True)
RIGHT = [0, 1, 4, 9, 16] + [None] * 5
"""
OTHER_SOCKETS = """
import socket
from importlib.util import find_spec, module_from_spec
spec = find_spec("socket")
other = module_from_spec(spec)
spec.loader.exec_module(other)
socket.socket, socket.socketpair = other.socket, other.socketpair
"""


def test_sockets_of_another_make(tmp_path: Path) -> None:
    """A socket that cannot be pickled is no obstacle: its descriptor travels."""
    source = OTHER_SOCKETS + CALL + "print(call() == RIGHT)\n"

    assert run_script(source, tmp_path) == "True\n"


def skip_without(library: str) -> None:
    """It is not imported here, where it would warn of each fork of later tests."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}")


def test_gevent(tmp_path: Path) -> None:
    """Calls in several of its green threads, all patched."""
    skip_without("gevent")
    source = (
        "from gevent import monkey\n"
        "monkey.patch_all()\n"
        "from gevent.pool import Pool\n"
        f"{CALL}"
        "print(list(Pool(4).imap(lambda _: call(), range(6))) == [RIGHT] * 6)\n"
        "with IsolatedProcessPoolExecutor(2) as executor:\n"
        "    print(list(executor.map(abs, range(5))))\n"
    )

    assert run_script(source, tmp_path) == "True\n[0, 1, 2, 3, 4]\n"


def test_eventlet(tmp_path: Path) -> None:
    """Calls in several of its green threads, all patched."""
    skip_without("eventlet")
    source = (
        "import warnings\n"
        "warnings.simplefilter('ignore')  # it warns of itself\n"
        "import eventlet\n"
        "eventlet.monkey_patch()\n"
        f"{CALL}"
        "pool = eventlet.GreenPool(4)\n"
        "print(list(pool.imap(lambda _: call(), range(6))) == [RIGHT] * 6)\n"
        "with IsolatedProcessPoolExecutor(2) as executor:\n"
        "    print(list(executor.map(abs, range(5))))\n"
    )

    assert run_script(source, tmp_path) == "True\n[0, 1, 2, 3, 4]\n"
