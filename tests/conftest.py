"""What every test has: both backends, a guard against hanging, and no leftovers."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing.util
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

from cotality.core.utils.process import shutdown_workers
from tests.kit.helpers import Gate, Marks
from tests.kit.limits import GONE_S, GUARD_S, POLL_S

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

OPEN_FILES = Path("/proc/self/fd")
HAS_LISTS = bool(list(Path("/proc/self/task").glob("*/children")))
# Who starts a process that looks after names until the program ends.
TRACKERS = ("multiprocessing.resource_tracker", "loky.backend.resource_tracker")
terminal = pytest.StashKey[int]()
passed = pytest.StashKey[bool]()
semaphores = pytest.StashKey[int]()  # of this process, when they were last counted
shares_workers = pytest.StashKey[bool]()


@pytest.fixture(params=[False, True], ids=["threads", "processes"])
def use_processes(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def make_gate(tmp_path: Path) -> Callable[[str], Gate]:
    """Makes something that a worker of either kind can wait for."""
    return lambda name: Gate(tmp_path / f"{name}.gate")


@pytest.fixture
def gate(make_gate: Callable[[str], Gate]) -> Gate:
    return make_gate("only")


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    """Where workers of either kind say that they have begun."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return Marks(folder)


# A test that hangs.


def pytest_configure(config: pytest.Config) -> None:
    # Ignored in what a shell script starts with "&", and so in all that we would start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Of the terminal itself: while a test runs, its standard error is a file.
    config.stash[terminal] = os.dup(2)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the tests themselves and what they import.

    That are some 350,000 objects, and to look at all of them takes 0.2 s of a CPU: more
    than most tests take, of which many collect the garbage of their own.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[terminal])


@pytest.fixture(autouse=True)
def guard(request: pytest.FixtureRequest) -> Iterator[None]:
    """End everything, with the stack of every thread, when one test hangs."""
    fd = request.config.stash[terminal]
    faulthandler.dump_traceback_later(GUARD_S, exit=True, file=fd)
    yield
    faulthandler.cancel_dump_traceback_later()


# A test that leaves something behind.


@dataclass(frozen=True)
class Things:
    """What a process has that could be left over."""

    threads: frozenset[threading.Thread]
    children: frozenset[psutil.Process]
    files: tuple[str, ...]

    @classmethod
    def now(cls) -> Things:
        pids, fds = of_the_house()
        return cls(
            frozenset(threading.enumerate()),
            frozenset(descendants(without=pids)),
            open_files(fds),
        )

    def beyond(self, before: Things) -> str:
        """What is here and was not there *before*; nothing if it is all the same."""
        more = [f"{thread}" for thread in self.threads - before.threads]
        more += [f"{child}" for child in self.children - before.children]
        if len(self.files) > len(before.files):
            new = Counter(self.files) - Counter(before.files)
            gone = Counter(before.files) - Counter(self.files)
            more += [f"files {[*new.elements()]}, before {[*gone.elements()]}"]
            more += [f"{each}" for each in psutil.Process().net_connections("all")]
        return ", ".join(more)


before_the_row = pytest.StashKey[Things | None]()


def descendants(without: set[int]) -> list[psutil.Process]:
    """The children of this process, and theirs, but not those *without* which it is.

    psutil looks at every process there is, which is most of what a small test costs.
    Linux has lists of children, of which it says that one may be missing while others
    end: so the quick answer counts when two looks agree that there is nothing.
    """
    if HAS_LISTS and not (below(os.getpid()) | below(os.getpid())) - without:
        return []
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.pid not in without]


def below(pid: int) -> set[int]:
    """The pids of the children of *pid*, and theirs, as Linux lists them."""
    found: set[int] = set()
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found  # it has ended meanwhile
    for each in threads:
        try:
            told = Path(f"/proc/{pid}/task/{each}/children").read_text("ascii")
        except OSError:
            continue  # a thread that has ended meanwhile
        found.update(map(int, told.split()))
    return found.union(*map(below, found))


def of_the_house() -> tuple[set[int], set[int]]:
    """Pids and file descriptors of what stays until the program ends."""
    trackers: list[Any] = [
        sys.modules[name] for name in TRACKERS if name in sys.modules
    ]
    pids = {module._resource_tracker._pid for module in trackers}
    fds = {module._resource_tracker._fd for module in trackers}
    module: Any = sys.modules.get(
        "cotality.core.utils._process.starting.fork_server.current"
    )
    # Another thread may just be at importing it: that of workers nobody waits for.
    if getattr(module, "server", None) is not None:
        pids.add(module.server.pid)
        fds.add(module.server.link)
    for driver in getattr(sys.modules.get("tests.kit.browser"), "kept", ()):
        browser = psutil.Process(driver)
        pids.update({driver, *(each.pid for each in browser.children(recursive=True))})
    return pids, fds


def open_files(without: set[int]) -> tuple[str, ...]:
    """What the open file descriptors are; nothing where nobody can tell."""
    if not OPEN_FILES.is_dir():
        return ()
    found: list[str] = []
    for fd in os.listdir(OPEN_FILES):
        try:
            if int(fd) not in without:
                found.append(os.readlink(OPEN_FILES / fd))
        except FileNotFoundError:
            continue  # the one that listed the others
    return tuple(sorted(found))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[passed] = report.passed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    item.stash[shares_workers] = is_warm(item) and is_warm(nextitem, item.path)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(
    pyfuncitem: pytest.Function,
) -> Generator[None, object, object]:
    if is_warm(pyfuncitem):
        # Workers are for calls with the environment that they were started with, and
        # pytest would change it with each test.
        os.environ["PYTEST_CURRENT_TEST"] = f"{pyfuncitem.path}"
    return (yield)


def is_warm(item: pytest.Item | None, module: Path | None = None) -> bool:
    """Whether *item*, which has to be of *module* if one is given, is marked so."""
    if item is None or (module or item.path) != item.path:
        return False
    mark = item.get_closest_marker("warm")
    return mark is not None and mark.args != (False,)


def free_semaphores(row: pytest.Stash) -> None:
    """Collect the garbage that has semaphores of multiprocessing in it, if any has.

    From Python 3.12 on it is an error if the collector frees one while multiprocessing
    notes the name of another: who notes names cannot be called meanwhile.
    """
    if count_semaphores() > row.get(semaphores, 0):
        gc.collect()
        row[semaphores] = count_semaphores()


def count_semaphores() -> int:
    module: Any = sys.modules.get("multiprocessing.synchronize")
    if module is None:
        return 0
    ends: list[Any] = list(vars(multiprocessing.util)["_finalizer_registry"].values())
    free = module.SemLock._cleanup
    return sum(vars(each)["_callback"] is free for each in ends)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(
    guard: None, request: pytest.FixtureRequest
) -> Iterator[None]:
    """No test leaves a thread, a process or an open file.

    Nor does a row of tests of one module that are marked `warm`: each may leave warm
    workers to the next, and after the last one all is as it was before the first.
    """
    stash, row = request.node.stash, request.session.stash
    if row.get(before_the_row, None) is None:
        row[before_the_row] = Things.now()
    yield
    free_semaphores(row)
    has_passed = stash.get(passed, False)
    if has_passed and stash[shares_workers]:
        return
    before, row[before_the_row] = row[before_the_row], None
    shutdown_workers()
    if not has_passed:
        return  # its traceback keeps alive what its frames refer to
    end = time.monotonic() + GONE_S
    while (left := Things.now().beyond(before)) and time.monotonic() < end:
        gc.collect()
        time.sleep(POLL_S)
    if left:
        pytest.fail(f"left behind: {left}")  # all of it: an assertion would shorten it
