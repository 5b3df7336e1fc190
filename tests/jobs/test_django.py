"""Django's tasks on our store, with Django's own calls, in a project of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy", reason="the extra of jobs is not installed")
django = pytest.importorskip("django")
pytestmark = pytest.mark.skipif(
    django.VERSION < (6, 0), reason="tasks are new in Django 6"
)
TAKES_OPTIONS = django.VERSION >= (6, 1)

SETTINGS = """
from pathlib import Path
INSTALLED_APPS = ["shop"]
USE_TZ = True
TASKS = {
    "default": {
        "BACKEND": "cotality.jobs.django.Backend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {
            "url": f"sqlite:///{Path(__file__).parent}/jobs.db",
            "retries": RETRIES,
        },
    }
}
"""

TASKS = """
import os, signal
from pathlib import Path
from django.tasks import task
from cotality.core.utils.process import Retry
from cotality.jobs import RetryLaterError, current_job

@task
def add(a, b=1):
    return a + b

@task(queue_name="mail", priority=7)
async def greet(name):
    return {"hello": [name]}

@task(takes_context=True)
def which(context, number):
    return [context.task_result.id, context.attempt, number]

class OwnError(Exception):
    pass

@task
def fail(text):
    raise OwnError(text)

@task
def fail_once(folder):
    mark = Path(folder) / "once"
    if not mark.exists():
        mark.touch()
        raise OwnError("once")
    return "well"

@task
def come_later():
    if current_job().attempt < 3:
        raise RetryLaterError("busy", retry_in=0.01)
    return "well"

@task
def come_never():
    raise RetryLaterError("gone", retry_in=None)

@task
def divide():
    return 1 / 0

@task
def end():
    os.kill(os.getpid(), signal.SIGKILL)

@task(takes_context=True)
def given(context, query):
    return context.task_result.args

def no_task():
    pass
"""


class Project:
    """A folder with settings, an app and what is done with it."""

    def __init__(self, folder: Path, retries: int = 0) -> None:
        self.folder = folder
        (folder / "shop").mkdir()
        (folder / "shop" / "__init__.py").touch()
        (folder / "shop" / "tasks.py").write_text(TASKS, "utf-8")
        settings = SETTINGS.replace("RETRIES", f"{retries}")
        (folder / "settings.py").write_text(settings, "utf-8")

    @property
    def worker(self) -> WorkerProgram:
        return WorkerProgram(
            "", self.folder, target="cotality.jobs.django:jobs", variables=VARIABLES
        )

    def does(self, source: str) -> str:
        """What a program of this project prints."""
        script = self.folder / "script.py"
        script.write_text(f"{PROLOGUE}{source}", "utf-8")
        ended = subprocess.run(
            [sys.executable, "-W", "error", script],
            env={**environment_of_scripts(), **VARIABLES},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=2 * LONG_S,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


VARIABLES = {"DJANGO_SETTINGS_MODULE": "settings"}
PROLOGUE = f"""
import json, time
import django
django.setup()
from shop import tasks

def until_finished(result):
    end = time.monotonic() + {LONG_S}
    while not result.is_finished:
        assert time.monotonic() < end, result
        time.sleep(0.02)
        result.refresh()
    return result

"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def served(project: Project) -> Iterator[Project]:
    with project.worker:
        yield project


def test_a_task_is_run_by_a_worker(served: Project) -> None:
    """What it returns is in its result, found again by its id."""
    printed = served.does(
        """
result = tasks.add.enqueue(2, b=40)
print(result.status, result.args, result.kwargs)
result = until_finished(result)
print(result.status, result.return_value, result.attempts, len(result.worker_ids))
again = tasks.add.get_result(result.id)
print(again.return_value, again.started_at >= again.enqueued_at, again.errors)
greeted = until_finished(tasks.greet.enqueue("Ada"))
print(greeted.return_value, greeted.task.queue_name, greeted.task.priority)
which = until_finished(tasks.which.enqueue(5))
print(which.return_value == [which.id, 1, 5])
"""
    )

    assert printed.splitlines() == [
        "READY [2] {'b': 40}",
        "SUCCESSFUL 42 1 1",
        "42 True []",
        "{'hello': ['Ada']} mail 7",
        "True",
    ]


def test_arguments_are_those_that_were_given(served: Project) -> None:
    """Whatever their keys are, as those of some databases are."""
    printed = served.does(
        """
query = {"$gt": 5, "a": {"$in": [1]}}
result = tasks.given.enqueue(query)
print(result.args == [query], until_finished(result).return_value == [query])
result = until_finished(tasks.add.enqueue([], b=[query]))
print(result.kwargs == {"b": [query]}, result.return_value == [query])
"""
    )

    assert printed.splitlines() == ["True True", "True True"]


def test_what_is_no_id_is_none_of_a_task(project: Project) -> None:
    """As it comes in the address of a page."""
    printed = project.does(
        """
from django.tasks.exceptions import TaskResultDoesNotExist
for id in ("nope", "", "x" * 1000, "a\\0"):
    try:
        tasks.add.get_result(id)
    except TaskResultDoesNotExist:
        print("none")
"""
    )

    assert printed.splitlines() == ["none"] * 4


def test_what_is_enqueued_is_ready_however_quick_a_worker_is(served: Project) -> None:
    """The result that `enqueue` gives is as it was stored; refreshed it goes on."""
    printed = served.does(
        """
from cotality.jobs._jobs.django import backend
put = backend.put
def put_and_wait(*args):
    ids = put(*args)
    until_finished(tasks.add.get_result(ids[0]))
    return ids
backend.put = put_and_wait
result = tasks.add.enqueue(2)
print(result.status, result.started_at, result.finished_at, result.attempts)
result.refresh()
print(result.status, result.return_value, result.attempts)
"""
    )

    assert printed.splitlines() == ["READY None None 0", "SUCCESSFUL 3 1"]


def test_a_task_that_fails_says_why(served: Project) -> None:
    """With its class, which can be imported, and its traceback."""
    printed = served.does(
        """
result = until_finished(tasks.fail.enqueue("no"))
(error,) = result.errors
print(result.status, error.exception_class is tasks.OwnError)
print("OwnError: no" in error.traceback, "in fail" in error.traceback)
try:
    result.return_value
except ValueError as said:
    print(said)
"""
    )

    assert printed.splitlines() == ["FAILED True", "True True", "Task failed"]


def test_retries_are_those_of_the_settings(tmp_path: Path) -> None:
    """And each attempt has its worker and its error."""
    project = Project(tmp_path, retries=2)
    with project.worker:
        printed = project.does(
            f"""
result = until_finished(tasks.fail_once.enqueue({str(tmp_path)!r}))
print(result.status, result.return_value, result.attempts)
print([error.exception_class_path for error in result.errors])
print(["in fail_once" in error.traceback for error in result.errors])
result = until_finished(tasks.fail.enqueue("always"))
print(result.status, result.attempts)
print({{error.exception_class is tasks.OwnError for error in result.errors}})
print(["OwnError: always" in error.traceback for error in result.errors])
"""
        )

    assert printed.splitlines() == [
        "SUCCESSFUL well 2",
        "['shop.tasks.OwnError']",
        "[True]",
        "FAILED 3",
        "{True}",
        "[True, True, True]",
    ]


def test_every_way_to_fail_has_a_class_that_can_be_imported(tmp_path: Path) -> None:
    """What Python raises, what ends a process, and what takes too long."""
    project = Project(tmp_path, retries=0)
    with project.worker:
        printed = project.does(
            """
for task in (tasks.divide, tasks.end, tasks.come_never):
    (error,) = until_finished(task.enqueue()).errors
    print(error.exception_class.__name__, bool(error.traceback))
"""
        )

    assert printed.splitlines() == [
        "ZeroDivisionError True",
        "WorkerCrashedError True",
        "RetryLaterError True",
    ]


def test_a_task_may_be_for_later(project: Project) -> None:
    """Nobody runs it before; in the store it has its name, queue and priority."""
    printed = project.does(
        """
from datetime import timedelta
from django.utils import timezone
from django.tasks import task_backends
later = timezone.now() + timedelta(hours=1)
result = tasks.add.using(run_after=later, queue_name="mail", priority=9).enqueue(1)
(info,) = task_backends["default"].jobs.list()
print(info.name, info.queue, info.priority, info.status, info.id == result.id)
print(abs((info.due - later).total_seconds()) < 0.001)
print(result.status, result.task.priority)
"""
    )

    assert printed.splitlines() == [
        "shop.tasks.add mail 9 DELAYED True",
        "True",
        "READY 9",
    ]


def test_signals_say_how_it_goes(served: Project) -> None:
    """In the program that enqueues, and in the one that runs it."""
    notes = served.folder / "notes"
    (served.folder / "shop" / "tasks.py").write_text(
        f"""{TASKS}
import json
from django.dispatch import receiver
from django.tasks.signals import task_enqueued, task_finished, task_started

@receiver([task_enqueued, task_started, task_finished])
def note(sender, task_result, **more):
    with open({str(notes)!r}, "a") as file:
        file.write(json.dumps([sender.__name__, str(task_result.status)]) + "\\n")
""",
        "utf-8",
    )
    with served.worker:  # one that knows of it
        served.does("until_finished(tasks.add.enqueue(1))")
    # A worker may have begun before the one who enqueued could say so.
    assert Counter(said_in(notes)) == {"READY": 1, "RUNNING": 1, "SUCCESSFUL": 1}

    notes.unlink()
    with served.worker:
        served.does("until_finished(tasks.come_later.enqueue())")
        assert said_in(notes).count("FAILED") == 0
        assert said_in(notes)[-1] == "SUCCESSFUL"
        served.does("until_finished(tasks.come_never.enqueue())")
        assert said_in(notes)[-1] == "FAILED"


def said_in(notes: Path) -> list[str]:
    """How it stood each time; all of it by the backend."""
    said = [json.loads(line) for line in notes.read_text("utf-8").splitlines()]
    assert {sender for sender, _ in said} == {"Backend"}
    return [status for _, status in said]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('{"uri": "x"}', "has uri, which nobody knows"),
        ("{}", "needs a url, which says where jobs are kept"),
        ('{"url": "mysql://x"}', "no engine for 'mysql'"),
        ('{"url": "sqlite:///jobs.db", "engine": "x"}', "engine must be one of"),
        (
            '{"url": "sqlite:///jobs.db", "runs_on": "threads", "timeout": 1}',
            "a thread cannot be ended",
        ),
    ],
)
def test_settings_that_are_wrong_are_told(
    project: Project, options: str, said: str
) -> None:
    """When Django makes the backend."""
    printed = project.does(
        f"""
from django.core.exceptions import ImproperlyConfigured
from cotality.jobs.django import Backend
try:
    Backend("other", {{"OPTIONS": {options}}})
except ImproperlyConfigured as error:
    print(error)
"""
    )

    assert said in printed


def test_what_is_no_task_is_a_dead_letter(served: Project) -> None:
    """And a name in the store imports nothing that no app has."""
    printed = served.does(
        """
from django.tasks import task_backends
from cotality.jobs._jobs.api.putting import put
from cotality.jobs._jobs.store.moves import NewJob
jobs = task_backends["default"].jobs
names = ["shop.tasks.no_task", "shop.tasks.gone", "antigravity.fly", "shop.gone.task"]
call = '{"args": [], "kwargs": {}}'
rows = [NewJob(name, name, "default", 0, call, 0, None, None, 60) for name in names]
put(jobs.base, rows, None)
end = time.monotonic() + 30
while len(jobs.dead()) < len(names):
    assert time.monotonic() < end, jobs.list()
    time.sleep(0.02)
for name in names:
    print(jobs.handle(name).info_sync().error_type)
"""
    )

    assert printed.splitlines() == ["UnknownJobError"] * 4


@pytest.mark.skipif(not TAKES_OPTIONS, reason="options of a task are new in Django 6.1")
def test_a_task_says_its_own_options(served: Project) -> None:
    """Which are those of a job."""
    printed = served.does(
        """
from cotality.jobs._jobs.django.task import definition_of
from django.tasks import task, task_backends
backend = task_backends["default"]

def plain():
    pass

made = task(retries=4, timeout=2.5, runs_on="auto")(plain)
options = definition_of(backend, made).options
print(options.retry.attempts, options.timeout, options.runs_on)
print(definition_of(backend, made.using(priority=3)).options.retry.attempts)
try:
    task(timeout=2.5, runs_on="threads")(plain).enqueue()
except ValueError as error:
    print(str(error).partition(":")[0])
"""
    )

    assert printed.splitlines() == ["5 2.5 auto", "5", "a thread cannot be ended"]
