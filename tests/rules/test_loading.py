"""Work that a worker process cannot load: its module fails to import there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cotality.core.utils._process.auto import auto_backend
from cotality.core.utils._process.rules.where_to_run import Figures, Place
from cotality.core.utils.process import (
    Decision,
    RunReport,
    Task,
    execute_tasks_in_parallel,
)
from cotality.tuning import execute

SHOP = """
import registry
if not registry.READY:
    raise RuntimeError("Apps aren't loaded yet.")
done = []
def process_order(number):
    total = sum(i * i % 7 for i in range(60_000))
    done.append(number)
    return total
class Order:
    def __init__(self, number):
        self.number = number
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that can be imported by a program that was set up, as this one is."""
    (tmp_path / "registry.py").write_text("READY = False\n")
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    import registry  # pyright: ignore[reportMissingImports]

    registry.READY = True
    import shop  # pyright: ignore[reportMissingImports]

    yield shop
    del sys.modules["shop"], sys.modules["registry"]


def total_of(order: object) -> int:
    """A task of a module that loads; its argument is the one that does not."""
    return sum(i * i % 7 for i in range(60_000)) + order.number  # type: ignore[attr-defined]


def test_threads_go_on_where_no_worker_can_load(shop: ModuleType) -> None:
    """No task is lost, none runs twice, and the decision says why."""
    report = RunReport()
    totals = execute_tasks_in_parallel(
        [Task(shop.process_order, {"number": n}) for n in range(100)],
        use_processes="auto",
        report=report,
    )

    assert len(totals) == 100
    assert sorted(shop.done) == list(range(100))
    assert isinstance(report.decision, Decision)
    assert report.decision.choice != "processes"


def test_the_decision_says_why_no_worker_can_load(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine so busy that it would not have gone there by itself."""
    monkeypatch.setattr(auto_backend, "better_place", processes_if_there_are)
    report = RunReport()
    execute_tasks_in_parallel(
        [Task(shop.process_order, {"number": n}) for n in range(200)],
        use_processes="auto",
        report=report,
    )

    assert sorted(shop.done) == list(range(200))
    assert isinstance(report.decision, Decision)
    assert report.decision.choice != "processes"
    assert "Apps aren't loaded yet." in report.decision.obstacle


def processes_if_there_are(
    figures: Figures, here: Place, rate: float = 0.0
) -> Place | None:
    place: Place = "processes" if figures.processes else "threads"
    return None if here == place else place


def test_arguments_that_no_worker_can_load_stay(shop: ModuleType) -> None:
    orders = [shop.Order(number) for number in range(100)]
    base = total_of(shop.Order(0))

    assert execute(total_of, orders) == [base + number for number in range(100)]


def test_failures_of_tasks_are_none_of_loading(shop: ModuleType) -> None:
    """A task that fails in a worker has failed, and does not run again on a thread."""
    totals = execute_tasks_in_parallel(
        [Task(fails_after_work, {"number": n}) for n in range(60)],
        use_processes="auto",
        on_error="return",
    )

    assert [str(each) for each in totals] == [str(n) for n in range(60)]


def fails_after_work(number: int) -> None:
    sum(i * i % 7 for i in range(60_000))
    raise ValueError(f"{number}")


def test_processes_say_what_a_set_up_function_is_for(shop: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="Apps aren't loaded yet") as caught:
        execute_tasks_in_parallel(
            [Task(shop.process_order, {"number": 1})], use_processes=True
        )

    assert "initializer=" in "".join(caught.value.__notes__)
    assert shop.done == []


def test_a_set_up_function_makes_it_load(shop: ModuleType) -> None:
    """It is called before the work is loaded."""
    [total] = execute_tasks_in_parallel(
        [Task(shop.process_order, {"number": 1})],
        use_processes=True,
        initializer=set_up_registry,
    )

    assert total > 0


def set_up_registry() -> None:
    import registry  # pyright: ignore[reportMissingImports]

    registry.READY = True
