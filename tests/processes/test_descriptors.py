"""Programs without standard files, with a limit for files, and what they leave open."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.channel import ledger_slots, segments
from cotality.core.utils._process.pickling.encode import encode
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

pytestmark = [
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="looks into /proc, and at limits"
    ),
    pytest.mark.one_python,
]


def run_without(closed: list[int], source: str, folder: Path) -> list[object]:
    """What a script has kept in ``found`` that starts with these descriptors closed."""
    script = folder / "script.py"
    script.write_text(
        f"{source}\n"
        "if __name__ == '__main__':\n"
        "    import json\n"
        "    with open('found.json', 'w') as file: json.dump(found, file)\n",
        "utf-8",
    )
    command = [sys.executable, "-W", "error", str(script)]
    closing = [f"{fd}{'<' if fd == 0 else '>'}&-" for fd in closed]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {" ".join(closing)}', "sh", *command],
        cwd=folder,
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=LONG_S * 2,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: list[object] = json.loads((folder / "found.json").read_text("utf-8"))
    return found


# Standard input and output that are closed.

PLACES = """
import multiprocessing, os, sys, time, warnings
from cotality.core.utils.process import *

def places(pid="self"):
    found = []
    for fd in range(3):
        try: found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError: found.append("closed")
    return found

def work(data):
    # As a C library does, or a program that the task runs.
    os.write(2, b"a warning" * 1000)
    return places(), places(os.getppid()), data * 2
"""
CALLS = """
if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking
    large = b"x" * 2_000_000
    found = []
    for options in ({}, {"timeout": 60}):
        tasks = [Task.of(work, bytearray(each)) for each in [b"small", large] * 4]
        outcomes = execute_tasks_in_parallel(tasks, 2, True, True, **options)
        for task, (worker, server, data) in zip(tasks, outcomes):
            assert data == task.positional[0] * 2
            found += [worker, server, places()]
"""
ON_EXECUTOR = """
if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking
    found = []
    context = multiprocessing.get_context({method!r})
    with IsolatedProcessPoolExecutor(2, context) as executor:
        for data in [b"small", b"x" * 2_000_000] * 4:
            worker, _, result = executor.submit(work, bytearray(data)).result(60)
            assert result == data * 2
            found += [worker, places()]
"""


@pytest.mark.parametrize("closed", [[0, 1, 2], [0], [2], [1, 2]], ids=str)
def test_nothing_of_ours_is_where_standard_files_belong(
    closed: list[int], tmp_path: Path
) -> None:
    """In no process, at no moment: they lead to the null device from the first call on.

    So what is written there by others harms nobody.
    """
    found = run_without(closed, PLACES + CALLS, tmp_path)

    assert len(found) == 2 * 8 * 3
    for places in found:
        check_places(places, closed)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_nothing_of_ours_is_there_in_workers_of_other_contexts(
    method: str, tmp_path: Path
) -> None:
    """However they are started."""
    source = PLACES + ON_EXECUTOR.format(method=method)
    closed = [0, 1, 2]

    found = run_without(closed, source, tmp_path)

    assert len(found) == 8 * 2
    for places in found:
        check_places(places, closed)


def check_places(places: object, closed: list[int]) -> None:
    assert isinstance(places, list)
    for fd in closed:
        assert places[fd] == "/dev/null", places


A_PLACE_SEEMS_TAKEN = """
import mmap, os, sys
from cotality._kit import standard_places
from cotality.core.utils._process.channel.arena import Region
from cotality.core.utils._process.channel.ledger_slots import Slots
from cotality.core.utils._process.durable.files.handle import opened
from cotality.core.utils._process.machine.descriptor import Descriptor
from cotality.core.utils._process.workers.watching.links import new_selector

def another_thread_has_a_file_there(fd):
    # When the place is looked at, but no longer when it is to be taken.
    return looks.pop() if looks else is_open(fd)

def names():
    found = []
    for fd in range(3):
        try: found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError: found.append("closed")
    return found

is_open = standard_places.is_open
standard_places.is_open = another_thread_has_a_file_there
looks, found, kept = [], [], []
makers = {
    "pair": standard_places.socket_pair,
    "pipe": standard_places.pipe,
    "selector": new_selector,
    "slots": lambda: Slots(3),
    "region": lambda: Region(mmap.PAGESIZE),
    "descriptor": lambda: Descriptor(os.memfd_create, "cotality"),
    "file": lambda: opened("a file", "ab"),
}
for name, make in makers.items():
    for fd in CLOSED:
        try: os.close(fd)
        except OSError: pass
    looks = [True] * 3
    kept.append(make())
    for fd, place in enumerate(names()):
        if fd in CLOSED and place not in ("closed", "/dev/null"):
            found.append([name, fd, place])
"""


@pytest.mark.parametrize("closed", [[0, 1, 2], [1]], ids=str)
def test_nothing_stays_in_a_place_that_seemed_to_be_taken(
    closed: list[int], tmp_path: Path
) -> None:
    """A file of another thread may lie there for the moment in which we look."""
    source = A_PLACE_SEEMS_TAKEN.replace("CLOSED", repr(closed))
    assert run_without(closed, source, tmp_path) == []


def test_nothing_of_a_flow_is_where_standard_files_belong(tmp_path: Path) -> None:
    """In its program, its router, and its workers."""
    source = PLACES + (
        "from cotality.flow import Flow, Step\n"
        "def look(data):\n"
        "    server = os.getppid()\n"
        "    with open(f'/proc/{server}/stat') as file:\n"
        "        router = file.read().rpartition(')')[2].split()[1]\n"
        "    return places(), places(server), places(router), len(data)\n"
        "if __name__ == '__main__':\n"
        "    found = []\n"
        "    with Flow(Step(look)) as flow:\n"
        "        for size in (10, 2_000_000):\n"
        "            *theirs, length = flow.call(bytes(size))\n"
        "            assert length == size\n"
        "            found += [*theirs, places()]\n"
    )
    closed = [0, 1, 2]

    found = run_without(closed, source, tmp_path)

    assert len(found) == 2 * 4
    for each in found:
        check_places(each, closed)


def test_a_journal_is_not_where_standard_error_belongs(tmp_path: Path) -> None:
    """What a task writes there does not get into it."""
    source = (
        "import os\n"
        "from cotality.core.utils.process import *\n"
        "def work(n):\n"
        "    try: os.write(2, b'a warning')\n"
        "    except OSError: pass  # nothing is there\n"
        "    return [n]\n"
        "journal = Journal('kept')\n"
        "tasks = [Task.of(work, n) for n in range(10)]\n"
        "execute_tasks_in_parallel(tasks, 2, journal=journal)\n"
        "found = execute_tasks_in_parallel(tasks, 2, journal=journal, resume=True)\n"
    )
    assert run_without([2], source, tmp_path) == [[n] for n in range(10)]
    for path in (tmp_path / "kept", *tmp_path.glob("kept*/*")):
        assert b"a warning" not in path.read_bytes()


# A limit for the size of files, which is one for those in memory as well.


def run_limited(limit: int, code: str, folder: Path) -> list[object]:
    source = (
        "import resource, signal\n"
        "from cotality.core.utils.process import *\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n" + code
    )
    return run_without([], source, folder)


def test_a_limit_for_files_that_allows_no_worker(tmp_path: Path) -> None:
    """The error says so, and what to do; threads go on."""
    code = (
        "tasks = [Task.of(pow, 2, 5)]\n"
        "found = []\n"
        "try: execute_tasks_in_parallel(tasks, 1, True)\n"
        "except WorkerStartError as error: found.append(str(error))\n"
        "executor = IsolatedProcessPoolExecutor(1)\n"
        "try: executor.submit(pow, 2, 5)\n"
        "except WorkerStartError as error: found.append(str(error))\n"
        "executor.shutdown()\n"
        "found.append(execute_tasks_in_parallel(tasks, 1))\n"
    )
    text, again, results = run_limited(1_000_000, code, tmp_path)

    assert "may not be larger than 1,000,000 bytes" in str(text)
    assert "ulimit -f" in str(text)
    assert again == text
    assert results == [32]


def test_a_limit_for_files_that_large_objects_are_above(tmp_path: Path) -> None:
    """They travel through the link."""
    code = (
        "large = b'x' * 40_000_000\n"
        "with IsolatedProcessPoolExecutor(1) as executor:\n"
        "    found = [executor.submit(bytearray, large).result(60) == large]\n"
        "tasks = [Task.of(bytearray, large)] * 2\n"
        "results = execute_tasks_in_parallel(tasks, 2, True)\n"
        "found += [each == large for each in results]\n"
    )
    assert run_limited(30_000_000, code, tmp_path) == [True, True, True]


# What is left open.

INTERRUPTED = """
import gc, os, random, signal, threading, time
from cotality.core.utils.process import *

def open_files():
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try: names.append(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0])
        except FileNotFoundError: pass  # what listed the others
    return sorted(names)

def settled():
    end = time.monotonic() + 10
    while time.monotonic() < end:
        shutdown_workers()
        gc.collect()
        if threading.active_count() == 1 and (now := open_files()) == before:
            return now
        time.sleep(0.01)
    return open_files()

def interrupt(after):
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGINT)

def call():
    tasks = [Task.of(time.sleep, 0.001) for _ in range(20)]
    execute_tasks_in_parallel(tasks, 3, True, True)  # a server may be killed

before = None
call()
shutdown_workers()
before = open_files()
chance = random.Random(7)
found = []
for number in range({rounds}):
    interrupter = threading.Thread(target=interrupt, args=[chance.uniform(0, 0.05)])
    try:
        interrupter.start()
        call()
        time.sleep(10)
    except KeyboardInterrupt:
        pass
    interrupter.join()
    left = settled()
    if left != before:
        found.append([number, left, before])
"""


def test_an_interrupt_leaves_no_descriptor(tmp_path: Path) -> None:
    """Whenever it comes while workers start, work or end."""
    source = INTERRUPTED.replace("{rounds}", "20")
    assert run_without([], source, tmp_path) == []


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_interrupt_while_shared_memory_is_made(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else would close what was open by then."""
    steps = itertools.count(1)

    def interrupted(standard: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next(steps) == step:
                raise KeyboardInterrupt
            return standard(*arguments)

        return call

    monkeypatch.setattr(os, "ftruncate", interrupted(os.ftruncate))
    monkeypatch.setattr(
        ledger_slots, "memory_file", interrupted(ledger_slots.memory_file)
    )
    before = os.listdir("/proc/self/fd")

    with pytest.raises(KeyboardInterrupt):
        ledger_slots.Slots(4)

    assert os.listdir("/proc/self/fd") == before


def test_a_fork_server_that_is_replaced_leaves_no_descriptor(tmp_path: Path) -> None:
    """Neither when it was killed, nor when somebody else has collected its status."""
    source = INTERRUPTED.partition("before = None")[0] + (
        "before = None\n"
        "call()\n"
        "shutdown_workers()\n"
        "before, found = open_files(), []\n"
        "for collects in (False, True, False, True):\n"
        "    server, worker = execute_tasks_in_parallel("
        "[Task.of(os.getppid), Task.of(os.getpid)], 1, True)\n"
        "    os.kill(server, signal.SIGKILL)\n"
        "    if collects: os.waitpid(server, 0)\n"
        "    call()\n"
        "    if (left := settled()) != before: found.append([collects, left, before])\n"
    )
    assert run_without([], source, tmp_path) == []


def test_a_large_object_whose_only_descriptor_was_dropped() -> None:
    """The system does so where there is no room for it, and says nothing."""
    with segments.sent_along():
        packed = segments.pack(bytes(1_000_000))
        body = encode(["beside", packed])

    beside, received = segments.decoded(body, [])

    assert beside == "beside"
    with pytest.raises(segments.NoRoomError, match="too many open files"):
        received.load()
