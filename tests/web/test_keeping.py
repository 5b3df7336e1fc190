"""One worker for a store and a machine, whoever is killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotality.web import Settings
from cotality.web._web.desk.looking import Looking
from cotality.web._web.desk.standing import Standing
from cotality.web._web.desk.taking import Taking
from cotality.web._web.methods.order import Done
from cotality.web._web.models.configs import TaskConfig
from cotality.web._web.models.kinds import TaskStatus, TaskType
from cotality.web._web.parts.items import close_parts, do_item
from cotality.web._web.parts.recipe import Recipe
from cotality.web._web.work import keeping, silence
from cotality.web._web.work import process as process_module
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.keeping import Keeper, taken
from cotality.web._web.work.process import WorkerProcess, environment
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S
from tests.web.web_program import WebProgram

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX"),
    pytest.mark.one_python,
]

MANY = 120
TRIES = 5


class Store:
    """What can be seen of a service from beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(state_dir=folder / "state", grace_s=0.2)
        self.tasks = TaskJobs(self.settings)
        self.tasks.make_folder()
        self.looking = Looking(self.tasks)

    @property
    def variables(self) -> dict[str, str]:
        state = f"{self.settings.state_dir}"
        return {"COTALITY_WEB_STATE_DIR": state, "COTALITY_WEB_GRACE_S": "0.2"}

    def web(self) -> WebProgram:
        return WebProgram(self.folder, self.variables)

    def workers(self) -> list[int]:
        """Pids of all that are alive, whether or not they have begun to serve."""
        found: list[int] = []
        state = f"{self.settings.state_dir}"
        for process in psutil.process_iter():
            try:
                is_worker = "cotality.web.work:jobs" in process.cmdline()
                if is_worker and process.environ()["COTALITY_WEB_STATE_DIR"] == state:
                    found.append(process.pid)
            except (psutil.Error, KeyError):
                continue
        return found

    def serving(self) -> int:
        """How many workers say that they serve."""
        return sum(
            each.workers for each in self.tasks.jobs.stats() if each.queue == "tasks"
        )

    def start(self, method: TaskType) -> str:
        """A task that takes a few seconds."""
        take = Taking(self.settings, self.tasks, self.looking, lambda live: 1.0).take
        config = TaskConfig(
            items_count=MANY, workers=2, db_delay_s=0.04, simulate_redis_delay=False
        )
        return take(method, config, "me")

    def look(self, task_id: str) -> Standing:
        return self.looking.one(task_id)

    def wait_for(self, task_id: str, done: int) -> None:
        wait_until(lambda: self.look(task_id).row.done >= done)

    def halted_midst(self, method: TaskType, worker: int, done: int) -> str:
        """A task that has *done* some and not all when its *worker* is halted.

        Another one is begun where this process came too late to see it.
        """
        for _ in range(TRIES):
            task_id = self.start(method)
            self.wait_for(task_id, done)
            os.kill(worker, signal.SIGSTOP)
            if not self.look(task_id).status.is_over:
                return task_id
            os.kill(worker, signal.SIGCONT)
        raise AssertionError(f"each of {TRIES} tasks was over before it was seen")

    def wait_until_over(self, task_id: str) -> Standing:
        wait_until(lambda: self.look(task_id).status.is_over)
        return self.look(task_id)

    def check_items(self, task_id: str) -> None:
        """All are there, with their values."""
        recipe = Recipe(self.settings.database)
        expected = [Done(index, do_item(recipe, index)) for index in range(MANY)]
        assert self.looking.items(task_id, 0, MANY + 1) == expected


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.tasks.jobs.close()
    close_parts()
    wait_until(lambda: not made.workers())


def one_worker(store: Store, *, but: int = 0) -> int:
    """Wait for it; there is never a second one meanwhile."""
    end = time.monotonic() + LONG_S
    while time.monotonic() < end:
        found = store.workers()
        assert len(found) <= 1
        if found and found[0] != but and store.serving() == 1:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no worker serves: {store.workers()}")


def test_two_web_processes_have_one_worker(store: Store) -> None:
    """The other one keeps it when the first was killed, and the task goes on."""
    with store.web() as first, store.web() as second:
        worker = one_worker(store)
        task_id = store.halted_midst(TaskType.SEQUENTIAL, worker, 10)
        keeper = first if parent_of(worker) == first.process.pid else second

        keeper.kill()
        os.kill(worker, signal.SIGCONT)

        assert one_worker(store, but=worker) != worker
        over = store.wait_until_over(task_id)
    assert over.status == TaskStatus.COMPLETED
    assert over.row.runs == 2
    assert "begun again, after run 1 of 1 ended" in over.row.message
    store.check_items(task_id)


def parent_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


@pytest.mark.parametrize("method", [TaskType.THREADING, TaskType.MULTIPROCESSING])
def test_a_worker_that_is_killed_is_started_again(
    store: Store, method: TaskType
) -> None:
    """What it had done is not done again."""
    with store.web() as web:
        worker = one_worker(store)
        task_id = store.halted_midst(method, worker, 10)
        below = psutil.Process(worker).children(recursive=True)

        os.kill(worker, signal.SIGKILL)

        psutil.wait_procs(below, LONG_S)
        assert not [each for each in below if each.is_running()]
        one_worker(store, but=worker)
        over = store.wait_until_over(task_id)
        assert f"the worker {worker} has ended (-9)" in web.output
    assert (over.status, over.row.runs) == (TaskStatus.COMPLETED, 2)
    store.check_items(task_id)


def test_a_task_outlives_the_service(store: Store) -> None:
    """It is stopped in its midst, and goes on when the service is there again."""
    with store.web() as web:
        worker = one_worker(store)
        lifeline = lifeline_of(worker)
        task_id = store.halted_midst(TaskType.THREADING, worker, 1)

        web.process.terminate()
        wait_until(lambda: lifeline not in files_of(web.process.pid))
        os.kill(worker, signal.SIGCONT)
        assert web.process.wait(LONG_S) == 0
    assert store.workers() == []
    before = store.look(task_id)
    assert before.status == TaskStatus.PENDING
    assert 0 < before.row.done < MANY

    with store.web():
        over = store.wait_until_over(task_id)

    assert over.status == TaskStatus.COMPLETED
    store.check_items(task_id)


def test_a_new_web_process_waits_for_the_old_worker(store: Store) -> None:
    """As long as that has not ended there is no second one, whatever keeps it."""
    with store.web() as first:
        worker = one_worker(store)
        os.kill(worker, signal.SIGSTOP)
        first.kill()
    with store.web() as second:
        end = time.monotonic() + 2 * keeping.AGAIN_S
        while time.monotonic() < end:
            assert store.workers() == [worker]
            time.sleep(0.05)
        os.kill(worker, signal.SIGCONT)
        assert one_worker(store, but=worker) != worker
        assert second.process.poll() is None


def test_what_a_worker_starts_does_not_hold_its_lock(store: Store) -> None:
    """Else a process that is left behind would keep the service without a worker."""
    with store.web():
        worker = one_worker(store)
        for method in (TaskType.MULTIPROCESSING, TaskType.SEQUENTIAL):
            store.wait_for(store.start(method), 1)
        below = psutil.Process(worker).children(recursive=True)
        assert below
        lock = f"{store.settings.worker_lock}"
        assert lock in files_of(worker)
        assert not [each for each in below if lock in files_of(each.pid)]


def lifeline_of(worker: int) -> str:
    """The pipe whose end tells it that the web process needs it no more."""
    command = psutil.Process(worker).cmdline()
    number = command[command.index("--while-open") + 1]
    return os.readlink(f"/proc/{worker}/fd/{number}")


def files_of(pid: int) -> set[str]:
    folder = Path(f"/proc/{pid}/fd")
    found: set[str] = set()
    for name in os.listdir(folder):
        try:
            found.add(os.readlink(folder / name))
        except FileNotFoundError:
            continue
    return found


# Without a real worker.


class Short:
    """A worker that ends at once, for the reason that tests have."""

    began: list[float]

    def __init__(self, settings: Settings, lock: int) -> None:
        self.began.append(time.monotonic())
        self.pid, self.exit_code = 4711, 3

    def let_go(self) -> None:
        """Nobody is there."""

    stop = let_go


def test_a_worker_that_ends_at_once_is_started_ever_less_often(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And that is told each time, with the exit code."""
    Short.began = []
    monkeypatch.setattr(keeping, "WorkerProcess", Short)
    keeper = Keeper(Settings(state_dir=tmp_path))
    keeper.lock = taken(keeper.settings)
    assert keeper.lock is not None

    pauses = [keeper.step() for _ in range(16)]

    assert pauses[0::2] == [keeping.LOOK_S] * 8
    assert pauses[1::2][:4] == pytest.approx([0.1, 0.3, 0.7, 1.5])
    assert pauses[-1] == keeping.LONGEST_PAUSE_S
    assert caplog.messages[0].startswith("the worker 4711 has ended (3) after")
    assert len(Short.began) == 8
    os.close(keeper.lock)


def test_what_cannot_be_started_is_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The service stays, and says why it has no worker."""

    def refuse(*given: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(keeping, "WorkerProcess", refuse)
    keeper = Keeper(Settings(state_dir=tmp_path))
    keeper.start()
    wait_until(lambda: bool(caplog.messages))
    keeper.stop()

    assert caplog.messages[0] == "the worker could not be started: no more processes"
    lock = taken(keeper.settings)
    assert lock is not None  # which the keeper has let go of
    os.close(lock)


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    """Beside the store if that is a file, else in the folder of the service."""
    settings = Settings(state_dir=tmp_path / "state")
    lock = taken(settings)
    assert lock is not None
    assert taken(settings) is None
    os.close(lock)

    assert settings.worker_lock == tmp_path / "state" / "tasks.db.worker.lock"
    away = Settings(state_dir=tmp_path, store_url=f"sqlite:///{tmp_path}/a/b.db")
    assert away.worker_lock == tmp_path / "a" / "b.db.worker.lock"
    server = Settings(state_dir=tmp_path, store_url="postgresql://me@host/name")
    other = Settings(state_dir=tmp_path, store_url="postgresql://me@host/other")
    assert server.worker_lock.parent == tmp_path
    assert server.worker_lock != other.worker_lock


def test_a_worker_gets_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told where its servers are, and of the rest nothing."""
    monkeypatch.setenv("COTALITY_WEB_API_KEYS", "me:secret")
    monkeypatch.setenv("COTALITY_WEB_REDIS_URL", "redis://another")
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        state_dir=Path("state"), redis_url="redis://cache", db_delay_s=2
    )

    given = environment(settings)

    ours = {
        name: value for name, value in given.items() if name.startswith("COTALITY_WEB_")
    }
    assert ours["COTALITY_WEB_STATE_DIR"] == f"{tmp_path / 'state'}"
    assert ours["COTALITY_WEB_REDIS_URL"] == "redis://cache"
    assert ours["COTALITY_WEB_DB_DELAY_S"] == "2.0"
    assert not [value for value in given.values() if "secret" in value]
    assert "COTALITY_WEB_STORE_URL" not in ours


class Clock:
    """One that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def hear(keeper: Keeper, clock: Clock, *told: bool | None) -> None:
    """Have it hear each of these again and again, for more than a minute."""
    for each in told:
        for _ in range(7):
            keeper.hear(each)
            clock.now += 10


@pytest.fixture
def sleepers(monkeypatch: pytest.MonkeyPatch) -> None:
    """All workers sleep and hear nothing, and get little time to end."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(process_module, "command", lambda settings: sleeper)
    monkeypatch.setattr(process_module, "TO_END_S", 0.1)


@pytest.mark.usefixtures("sleepers")
def test_a_worker_that_is_halted_is_killed_and_another_one_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It never ends by itself. While nobody knows, or before it serves, it may live."""
    clock = Clock()
    monkeypatch.setattr(silence, "time", clock)
    keeper = Keeper(Settings(state_dir=tmp_path, grace_s=0.1))
    keeper.lock = taken(keeper.settings)
    assert keeper.step() == keeping.LOOK_S
    first = keeper.pid
    assert first is not None
    for told in ((False,), (True, None), (False, True), (True, False, None)):
        hear(keeper, clock, *told)
        assert keeper.step() == keeping.LOOK_S
        assert keeper.pid == first, told
    hear(keeper, clock, True, False)
    clock.now += silence.FRESH_S
    keeper.step()
    assert keeper.pid == first  # nobody listens any more

    os.kill(first, signal.SIGSTOP)
    hear(keeper, clock, True, False)
    keeper.step()
    wait_until(lambda: keeper.pid is None)
    keeper.step()
    keeper.step()

    assert keeper.pid not in (None, first)
    assert f"the worker {first} lives, but gives no sign of it" in caplog.text
    keeper.ending.set()
    keeper.keep()


@pytest.mark.usefixtures("sleepers")
def test_a_worker_that_does_not_end_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the end of the service is not held up for ever."""
    settings = Settings(state_dir=tmp_path, grace_s=0.1)
    lock = taken(settings)
    assert lock is not None
    worker = WorkerProcess(settings, lock)
    wait_until(lambda: worker.exit_code is None)

    worker.stop()

    assert worker.exit_code == -9
    assert "did not end in time, and is killed" in caplog.text
    os.close(lock)
