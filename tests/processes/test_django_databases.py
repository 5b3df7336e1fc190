"""Tests of a Django project whose tasks run in processes: not on the real database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

pytest.importorskip("django")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a clone needs a fork"),
    pytest.mark.one_python,
]

PROJECT = {
    "settings.py": """
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "real.sqlite3",
        "TEST": {"NAME": TEST_NAME},
        "OPTIONS": {"factory": lambda *a, **kw: sqlite3.Connection(*a, **kw)},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "shop.runner.UsesWorkersBefore"
""",
    "manage.py": """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=20)
""",
    "shop/work.py": """
import django
from cotality.core.utils.process import IsolatedProcessPoolExecutor
from cotality.tuning import PoolManager

workers = PoolManager(1, initializer=django.setup)
executor = IsolatedProcessPoolExecutor(1, initializer=django.setup)

def count(_=None):
    from shop.models import Item
    return Item.objects.count()

def wipe(_=None):
    from shop.models import Item
    found = Item.objects.count()
    Item.objects.all().delete()
    return found

def set_up_and_wipe():
    django.setup()
    return wipe()
""",
    # Workers that were set up before there was a test database: all know the real one.
    "shop/runner.py": """
from django.test.runner import DiscoverRunner
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from shop import work

class UsesWorkersBefore(DiscoverRunner):
    def setup_databases(self, **given):
        assert work.workers.execute(work.count, [0]) == [1]
        assert work.executor.submit(work.count).result() == 1
        tasks = [Task(work.count)]
        options = {"initializer": work.django.setup}
        assert execute_tasks_in_parallel(tasks, 1, True, **options) == [1]
        return super().setup_databases(**given)
""",
}

RIGHT = """
import multiprocessing, threading
from django.db import connection
from django.test import TransactionTestCase
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor, Task, execute_tasks_in_parallel, worker_pool,
)
from cotality.tuning import managed_pool
from shop import work
from shop.models import Item

class Base(TransactionTestCase):
    def setUp(self):
        # Processes of parallel tests are daemons, which may have no children.
        multiprocessing.current_process()._config["daemon"] = False
        print("on", connection.settings_dict["NAME"])
        Item.objects.create(name="one of the test")
        Item.objects.create(name="another")

    def tearDown(self):
        self.assertEqual(Item.objects.count(), 0)

class InOwnManager(Base):
    def test(self):
        with managed_pool(1, initializer=work.django.setup) as workers:
            self.assertEqual(workers.execute(work.wipe, [0]), [2])

class InManagerOfTheProject(Base):
    def test(self):
        self.assertEqual(work.workers.execute(work.wipe, [0]), [2])

class InWarmWorkers(Base):
    def test(self):
        for found in (2, 0):
            [result] = execute_tasks_in_parallel([Task(work.set_up_and_wipe)], 1, True)
            self.assertEqual(result, found)

class InWorkerPool(Base):
    def test(self):
        with worker_pool(max_workers=1, initializer=work.django.setup):
            self.assertEqual(execute_tasks_in_parallel([Task(work.wipe)], 1, True), [2])

class InAnExecutor(Base):
    def test(self):
        with IsolatedProcessPoolExecutor(1) as executor:
            self.assertEqual(executor.submit(work.set_up_and_wipe).result(), 2)

class InAnOlderExecutor(Base):
    def test(self):
        # A process of parallel tests is a fork, and the executor of its parent.
        message = "other databases.*in tests.*Make|belongs to the parent"
        with self.assertRaisesRegex(RuntimeError, message):
            work.executor.submit(work.wipe)
        work.wipe()

class FromAnotherThread(Base):
    def test(self):
        found = []
        thread = threading.Thread(
            target=lambda: found.extend(work.workers.execute(work.wipe, [0]))
        )
        thread.start()
        thread.join()
        self.assertEqual(found, [2])
"""

REFUSED = """
import math, threading
from django.test import TestCase, TransactionTestCase
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from shop import work
from shop.models import Item

class Refused(BASE):
    def setUp(self):
        Item.objects.create(name="one of the test")

    def test_a_task_that_asks_the_database(self):
        with self.assertRaisesRegex(RuntimeError, MESSAGE):
            work.workers.execute(work.wipe, [0])
        with self.assertRaisesRegex(RuntimeError, MESSAGE):
            execute_tasks_in_parallel([Task(work.set_up_and_wipe)], 1, True)
        self.assertEqual(Item.objects.count(), 1)

    def test_from_another_thread(self):
        errors = []
        def call():
            try:
                work.workers.execute(work.wipe, [0])
            except RuntimeError as error:
                errors.append(error)
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        [error] = errors
        self.assertRegex(str(error), MESSAGE)

    def test_tasks_that_only_compute(self):
        self.assertEqual(work.workers.execute(math.sqrt, [4, 9]), [2, 3])

    def test_in_the_thread_of_the_test(self):
        self.assertEqual(work.workers.execute(work.wipe, [0], inline=True), [1])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, source in PROJECT.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(source, "utf-8")
    return tmp_path


def set_up(project: Path, test_name: str | None, tests: str) -> None:
    settings = project / "settings.py"
    source = settings.read_text("utf-8").replace("TEST_NAME", repr(test_name))
    settings.write_text("import sqlite3\n" + source, "utf-8")
    (project / "shop" / "tests.py").write_text(tests, "utf-8")
    manage(project, "migrate", "--run-syncdb")
    with real_database(project) as database, database:
        database.execute("INSERT INTO shop_item (name) VALUES ('real')")


def real_database(project: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(project / "real.sqlite3"))


def real_rows(project: Path) -> int:
    with real_database(project) as database:
        [(count,)] = database.execute("SELECT count(*) FROM shop_item")
    return int(count)


def manage(project: Path, *words: str) -> str:
    ended = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=project,
        env=environment_of_scripts(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=LONG_S * 2,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_workers_use_the_database_of_the_test(project: Path) -> None:
    """Whoever has them, whenever they were started; the real rows stay."""
    set_up(project, "test.sqlite3", RIGHT)

    manage(project, "test")

    assert real_rows(project) == 1


def test_workers_use_the_database_of_their_test_process(project: Path) -> None:
    """Django gives each process of parallel tests a clone of its own."""
    set_up(project, "test.sqlite3", RIGHT)

    printed = manage(project, "test", "--parallel", "2")

    assert "test_1.sqlite3" in printed
    assert real_rows(project) == 1


@pytest.mark.parametrize(
    ("test_name", "base", "message"),
    [
        (None, "TransactionTestCase", "in the memory of the program.*inline=True"),
        ("test.sqlite3", "TestCase", "in a transaction.*TransactionTestCase"),
    ],
    ids=["memory", "transaction"],
)
def test_what_no_worker_can_see_is_refused(
    project: Path, test_name: str | None, base: str, message: str
) -> None:
    """A task that opens the database fails and says so; one that computes does not."""
    tests = REFUSED.replace("BASE", base).replace("MESSAGE", repr(message))
    set_up(project, test_name, tests)

    manage(project, "test")

    assert real_rows(project) == 1
