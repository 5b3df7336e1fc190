"""A worker ends at an awkward moment: nothing is lost, and nothing done twice."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from cotality.core.utils._process.output import relay
from cotality.core.utils._process.workers.handle import WorkerHandle
from cotality.core.utils._process.workers.requests import Item
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    WorkerCrashedError,
    execute_tasks_in_parallel,
)
from tests.kit import chatty
from tests.kit.helpers import Gate, Marks, echo, mark_and_return, wait_until
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.one_python

posix = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")


@posix
def test_a_worker_dies_as_a_caller_gives_it_an_item(
    marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its burial waits for the caller, and another worker runs the item, once."""
    give = WorkerHandle.give_at_once
    given: list[int] = []

    def give_late(worker: WorkerHandle, item: Item) -> bool:
        monkeypatch.setattr(WorkerHandle, "give_at_once", give)
        os.kill(worker.pid, signal.SIGKILL)
        wait_until(lambda: worker.ends_by is not None)  # its end has been noticed
        given.append(worker.pid)
        return give(worker, item)

    with IsolatedProcessPoolExecutor(1) as executor:
        assert executor.submit(int).result(LONG_S) == 0
        wait_until(lambda: bool(executor._pool.idle))
        monkeypatch.setattr(WorkerHandle, "give_at_once", give_late)

        assert executor.submit(mark_and_return, marks, "a").result(LONG_S) == "a"
        assert executor._pool.status().pids != tuple(given)

    assert len(given) == 1


class Stuck(logging.Handler):
    """A handler that does nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        assert self.goes_on.wait(LONG_S)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    handler, level = Stuck(), chatty.logger.level
    chatty.logger.addHandler(handler)
    chatty.logger.setLevel(logging.INFO)
    yield handler
    handler.goes_on.set()
    relay.wait_for_output()
    chatty.logger.removeHandler(handler)
    chatty.logger.setLevel(level)


def say_and_wait(gate: Gate) -> str:
    chatty.say("much " * 1000)
    gate.wait()
    return "the last answer"


def test_the_last_answer_of_a_worker_that_is_not_read_counts(
    gate: Gate, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has logged too much for a slow handler, it answers, and it ends."""
    monkeypatch.setattr(relay, "MOST_WAITING", 1000)
    with contextlib.ExitStack() as at_end:
        executor = IsolatedProcessPoolExecutor(1, max_tasks_per_child=1)
        at_end.callback(executor.shutdown)
        at_end.callback(stuck.goes_on.set)
        future: Future[str] = executor.submit(say_and_wait, gate)
        wait_until(lambda: any(w.is_paused for w in executor._pool.workers.copy()))
        gate.open()

        assert future.result(LONG_S) == "the last answer"
        assert not stuck.goes_on.is_set()


def write_into_sockets(value: object) -> object:
    """As code does that has a number which is another file's by now."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), b"something else" * 50)
        except FileNotFoundError:
            pass  # what listed the others
    return value


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_what_others_write_into_a_link_harms_one_worker() -> None:
    """It is no answer: that worker ends, and nobody else's results are lost."""
    texts = [str(number) for number in range(20)]
    tasks = [Task.of(echo, each) for each in texts]
    tasks[7] = Task.of(write_into_sockets, "7")
    for _ in range(2):
        found = execute_tasks_in_parallel(tasks, 2, True, True, chunksize=1)

        assert found[7] == "7" or isinstance(found[7], WorkerCrashedError)
        assert [*found[:7], *found[8:]] == [*texts[:7], *texts[8:]]
