"""Workers of a Django program are set up; connections of threads are closed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kit.helpers import output_of

pytest.importorskip("django")
pytestmark = pytest.mark.one_python

PROJECT = {
    "project/__init__.py": "",
    "project/settings.py": """
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "shop/__init__.py": "",
    "shop/apps.py": """
import os
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from shop.models import Order  # as signals do
        with open("ready.txt", "a") as file:
            file.write(f"{os.getpid()}\\n")
""",
    "shop/models.py": """
from django.db import models

class Order(models.Model):
    number = models.IntegerField()
""",
    "shop/views.py": """
from .models import Order

def process_order(number):
    total = sum(i * i % 7 for i in range(20_000))
    return Order.objects.filter(number=number).count(), total

def number_of(order):
    return order.number
""",
    "helper.py": """
def count(_):
    from shop.models import Order
    return Order.objects.count()
""",
    "program.py": """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
import django
django.setup()
from django.db import connection
from cotality.core.utils.process import *
from cotality.tuning import execute, managed_pool
from shop.models import Order
import helper, shop.views
with connection.schema_editor() as editor:
    editor.create_model(Order)
Order.objects.bulk_create(Order(number=n) for n in range(5))
""",
}


def run(program: str, folder: Path, *, early: str = "") -> str:
    """What *program* prints in a Django project, with what comes before its set-up."""
    files = {**PROJECT, "program.py": early + PROJECT["program.py"] + program}
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, "utf-8")
    return output_of([sys.executable, "program.py"], folder)


def test_a_view_that_imports_models_runs_in_processes(tmp_path: Path) -> None:
    """Django is set up in each worker, once, before the view is imported there."""
    program = """
got = execute(shop.views.process_order, range(40), executor="processes")
print(sum(count for count, _ in got))
ready = open("ready.txt").read().split()
print(len(ready) == len(set(ready)), len(ready) > 1)
"""
    assert run(program, tmp_path) == "5\nTrue True\n"


def test_models_travel_and_are_imported_by_tasks(tmp_path: Path) -> None:
    """As arguments, and where the function itself imports them."""
    program = """
orders = list(Order.objects.order_by("number"))
print(execute(shop.views.number_of, orders, executor="processes"))
print(execute(helper.count, range(3), executor="processes"))
"""
    assert run(program, tmp_path) == "[0, 1, 2, 3, 4]\n[5, 5, 5]\n"


def test_workers_from_before_the_set_up_are_replaced(tmp_path: Path) -> None:
    """Those that are warm know nothing of it."""
    early = """
from cotality.core.utils.process import *
from cotality.tuning import get_global_pool_manager
import os
tasks = [Task(os.getpid)] * 4
before = set(execute_tasks_in_parallel(tasks, 2, use_processes=True))
manager = get_global_pool_manager()
manager.warm_up()
"""
    program = """
print(execute_tasks_in_parallel([Task(shop.views.process_order, {"number": 3})] * 2,
                                2, use_processes=True)[0][0])
print(manager.execute(helper.count, range(2)))
"""
    assert run(program, tmp_path, early=early) == "1\n[5, 5]\n"


def test_a_set_up_that_fails_is_told_and_no_more(tmp_path: Path) -> None:
    """Tasks that need nothing of Django run all the same."""
    program = """
import logging
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
os.rename("project/settings.py", "project/elsewhere.py")
import shutil; shutil.rmtree("project/__pycache__", ignore_errors=True)
print(execute_tasks_in_parallel([Task.of(abs, -1)], 1, use_processes=True))
"""
    printed = run(program, tmp_path)

    assert "Django could not be set up in a worker process" in printed
    assert printed.endswith("[1]\n")


def test_an_app_that_calls_when_it_is_ready_is_told_so(tmp_path: Path) -> None:
    """In the program it may; in each worker it would do so again."""
    early = """
import logging, os, sys
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
with open("shop/apps.py", "a") as file:
    file.write("""
    early += repr(
        "        from cotality.core.utils import process\n"
        "        tasks = [process.Task.of(abs, -1)] * 4\n"
        "        process.execute_tasks_in_parallel(tasks, 2, True)\n"
    )
    early += ")\n"
    program = "print(execute_tasks_in_parallel([Task.of(abs, -2)], 1, True))\n"

    printed = run(program, tmp_path, early=early)

    assert (
        "module 'shop.apps' makes a call with processes while it is set up" in printed
    )
    assert printed.endswith("[2]\n")
    # The program, and its one worker.
    assert len((tmp_path / "ready.txt").read_text().splitlines()) == 2


def test_connections_of_threads_are_closed(tmp_path: Path) -> None:
    """When a call ends, its threads do, and no server keeps what they have opened."""
    program = """
from django.db.backends.sqlite3.base import DatabaseWrapper
import threading
made, closed = [], []
connect, close = DatabaseWrapper.get_new_connection, DatabaseWrapper._close
def get_new_connection(self, parameters):
    made.append(threading.get_ident())
    return connect(self, parameters)
def _close(self):
    if self.connection is not None:
        closed.append(threading.get_ident())
    return close(self)
DatabaseWrapper.get_new_connection = get_new_connection
DatabaseWrapper._close = _close
execute_tasks_in_parallel([Task(helper.count, {"_": n}) for n in range(20)], 4)
print(len(made) > 0, sorted(made) == sorted(closed))
made.clear(), closed.clear()
execute(helper.count, list(range(50)))
here = threading.get_ident()
print(sorted(m for m in made if m != here) == sorted(c for c in closed if c != here))
execute_tasks_in_parallel([Task(helper.count, {"_": 1})], inline=True)
print(connection.connection is not None)
"""
    assert run(program, tmp_path) == "True True\nTrue\nTrue\n"
