"""A task arrives as one object graph: as if it had been pickled in one piece."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

from cotality.core.utils._process.pickling.script import common_parts
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    share,
)
from tests.kit.executors import PicklingThreads
from tests.kit.given import HealthCheck, given, settings, st
from tests.kit.graphs import Graph, Node, Shape, change, closure_over, graphs, shape
from tests.kit.helpers import run_script
from tests.kit.limits import LONG_S

# They ask what calls give, whichever workers do it.
pytestmark = pytest.mark.warm

some = settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = 20_000  # objects in a list that is large


def in_one_piece(task: Task[Shape]) -> Shape:
    """The shape of *task* when all of it was in one pickle."""
    whole = task.callback_function, task.positional, dict(task.arguments)
    function, positional, named = pickle.loads(cloudpickle.dumps(whole))
    result: Shape = function(*positional, **named)
    return result


# Random graphs.


@some
@given(graph=graphs())
def test_a_task_in_a_process_has_the_shape_of_one_pickle(graph: Graph) -> None:
    """What is the same object is the same there, and what is not is not."""
    expected = [in_one_piece(task) for task in graph.tasks] * 2

    assert execute_tasks_in_parallel(graph.tasks * 2, 1, True) == expected


@some
@given(graph=graphs())
def test_a_task_on_a_foreign_executor_has_the_shape_of_one_pickle(graph: Graph) -> None:
    """Also where nothing goes into a segment."""
    expected = [in_one_piece(task) for task in graph.tasks] * 2

    with PicklingThreads(1) as executor:
        found = execute_tasks_in_parallel(graph.tasks * 2, executor=executor)

    assert found == expected


@some
@given(graph=graphs())
def test_an_own_executor_has_the_shape_of_one_pickle(graph: Graph) -> None:
    """What is submitted travels in one piece."""
    expected = [in_one_piece(task) for task in graph.tasks]

    futures = [
        pool().submit(task.callback_function, *task.positional, **task.arguments)
        for task in graph.tasks
    ]

    assert [future.result(LONG_S) for future in futures] == expected


def pool() -> IsolatedProcessPoolExecutor:
    """One for all examples of a test."""
    if not pools:
        pools.append(IsolatedProcessPoolExecutor(1))
    return pools[0]


pools: list[IsolatedProcessPoolExecutor] = []


@pytest.fixture(autouse=True)
def no_pool_is_left() -> Iterator[None]:
    yield
    while pools:
        pools.pop().shutdown()


@some
@given(graph=graphs(), inline=st.booleans())
def test_a_thread_gets_the_objects_themselves(graph: Graph, inline: bool) -> None:
    """So what is the same object is the same, as in one pickle."""
    tasks = [task for task in graph.tasks if task.callback_function is not change]
    expected = [in_one_piece(task) for task in tasks]

    assert execute_tasks_in_parallel(tasks, 1, inline=inline) == expected


# One task.


class Graf:
    """Nodes that know where they are."""

    def __init__(self, count: int) -> None:
        self.nodes = [Node(number) for number in range(count)]

    def position(self, node: Node) -> int:
        return self.nodes.index(node)


def same(nodes: list[Node], by_name: dict[int, Node]) -> int:
    """How many of *nodes* are changed by a change of those in *by_name*."""
    for node in by_name.values():
        node.name = -1
    return sum(node.name == -1 for node in nodes)


@pytest.mark.parametrize("count", [10, MANY])
def test_two_arguments_share_their_objects(use_processes: bool, count: int) -> None:
    """Also from 8,192 items on, when each of them is large."""
    nodes = Graf(count).nodes
    task = Task(same, {"nodes": nodes, "by_name": {node.name: node for node in nodes}})

    assert execute_tasks_in_parallel([task], 1, use_processes) == [count]


@pytest.mark.parametrize("count", [10, MANY])
def test_a_method_knows_the_parts_of_its_object(
    use_processes: bool, count: int
) -> None:
    """A bound method and an element of its own object."""
    graf = Graf(count)
    tasks = [Task.of(graf.position, graf.nodes[number]) for number in (3, 7)]
    tasks += [Task(graf.position, {"node": graf.nodes[number]}) for number in (3, 7)]

    assert execute_tasks_in_parallel(tasks, 1, use_processes) == [3, 7, 3, 7]


def thousands() -> list[int]:
    """A list that takes more than 64 KiB when it is packed."""
    return [0, *range(70_000, 70_000 + MANY)]


def write(data: Any, owner: Any) -> bool:
    """Whether a change of *data* is seen in what *owner* holds."""
    data[0] = 7
    (held,) = owner
    return bool(held[0] == 7)


def counter(held: object) -> tuple[Callable[[], int], Callable[[], int]]:
    """Two functions that share a variable."""
    count = 0

    def add() -> int:
        nonlocal count
        count += 1
        return count if held is not None else -1

    def get() -> int:
        return count

    return add, get


def added(add: Callable[[], int], *gets: Callable[[], int]) -> list[int]:
    add()
    add()
    return [get() for get in gets]


def walker() -> Callable[[int], int]:
    """Knows itself, and the function that it takes turns with."""

    def even(n: int) -> int:
        return 0 if n == 0 else 1 + odd(n - 1)

    def odd(n: int) -> int:
        return even(n - 1) + 1 if n else 1

    return even


@pytest.mark.parametrize("count", [1, MANY])
@pytest.mark.parametrize("use_processes", [False, True], ids=["threads", "processes"])
def test_functions_share_their_variables(use_processes: bool, count: int) -> None:
    """What one function of a task binds, the others of that task see."""
    held = list(map(str, range(count)))
    add, get = counter(held)
    inner, outer = counter(held)
    tasks = [
        Task.of(added, *counter(held)),
        Task.of(added, *counter(held)),
        Task.of(added, add, get, add.__call__, partial(get)),
        Task.of(partial(added, inner), outer),
    ]
    wanted = [[2], [2], [2, 3, 3], [2]]

    assert execute_tasks_in_parallel(tasks, 1, use_processes) == wanted
    assert get() == (0 if use_processes else 3)


@pytest.mark.parametrize("use_processes", [False, True], ids=["threads", "processes"])
def test_functions_that_know_each_other(use_processes: bool) -> None:
    """A variable may hold a function that has that variable."""
    tasks = [Task.of(walker(), 6), Task.of(walker(), 7)]

    assert execute_tasks_in_parallel(tasks, 1, use_processes) == [6, 8]


def test_each_task_has_variables_of_its_own() -> None:
    """Nobody else sees what a task has bound: neither the program nor the next task."""
    add, get = counter(None)
    held, _ = counter(1)
    held()
    tasks = [Task.of(added, add, get)] * 3 + [Task.of(held)] * 3

    assert execute_tasks_in_parallel(tasks, 1, True) == [[2], [2], [2], 2, 2, 2]
    assert get() == 0


@pytest.mark.parametrize(
    "kind", [partial(np.zeros, 300_000), partial(bytearray, 300_000), thousands]
)
def test_a_large_part_inside_of_another_argument(
    kind: Callable[[], Any], use_processes: bool
) -> None:
    """One that is an argument as well as deep inside of one."""
    data = kind()
    tasks = [Task(write, {"data": data, "owner": [data]})] * 3
    tasks += [Task.of(write, data, owner=(data,))] * 3
    by_function = [Task(partial(write, data), {"owner": [data]})] * 3

    found = execute_tasks_in_parallel(tasks + by_function, 1, use_processes)

    assert found == [True] * 9
    if use_processes:
        assert data[0] == 0


def test_an_attribute_of_the_function_itself() -> None:
    """What only the function holds is its own there as well."""

    def work(seen: list[int]) -> bool:
        return seen is work.seen  # type: ignore[attr-defined]  # set below

    work.seen = []  # type: ignore[attr-defined]  # as functions may have some

    tasks = [Task.of(work, work.seen)]  # type: ignore[attr-defined]  # as above
    assert execute_tasks_in_parallel(tasks, 1, True) == [True]


def test_what_is_shared_by_mark_is_not_the_same_as_elsewhere() -> None:
    """`share` is one copy for each worker, so it is apart from the rest of a task."""
    nodes = Graf(10).nodes

    def is_in(nodes: list[Node], node: Node) -> bool:
        return node in nodes

    task = Task(is_in, {"nodes": share(nodes), "node": nodes[3]})

    assert execute_tasks_in_parallel([task], 1, True) == [False]
    assert execute_tasks_in_parallel([task], 1, False) == [True]


# Several tasks.


class Counted(Node):
    """Counts how often it was pickled by this process."""

    pickled = 0

    def __reduce__(self) -> tuple[Any, ...]:
        Counted.pickled += 1
        return Node, (self.name,), {"parts": self.parts}


@pytest.fixture
def counted() -> Counted:
    Counted.pickled = 0
    return Counted(0)


def test_large_parts_that_share_are_packed_once_for_all_tasks(
    counted: Counted,
) -> None:
    """Each by itself, and once more together."""
    nodes = [counted, *Graf(MANY).nodes]
    by_name = {node.name: node for node in reversed(nodes)}
    tasks = [Task(same, {"nodes": nodes, "by_name": by_name})] * 20

    assert execute_tasks_in_parallel(tasks, 2, True) == [MANY] * 20

    assert Counted.pickled == 3


def test_a_large_part_that_shares_nothing_is_packed_once(counted: Counted) -> None:
    """Whatever small parts, functions and other large ones its tasks have besides."""
    large = [counted, *thousands()]
    other = np.arange(MANY)
    base = [1]
    tasks = [
        Task(shape, {"a": large, "b": [number], "c": Node(number)})
        for number in range(10)
    ]
    tasks += [Task.of(closure_over([base]), large, other, base) for _ in range(10)]
    tasks += [Task.of(partial(shape, [base]), large, Node(n)) for n in range(10)]

    execute_tasks_in_parallel(tasks, 1, True)

    assert Counted.pickled == 1


def test_what_hangs_together_is_found_in_one_walk() -> None:
    """A chain is not walked again for each of many globals that are in it."""
    leader = {n: max(0, n - 1) for n in range(1000)}

    assert common_parts.top(leader, 999) == 0
    assert set(leader.values()) == {0}


GLOBALS = """
from cotality import pmap
from cotality.core.utils._process.pickling.script import common_parts

TABLE = {number: [number] for number in range(1000)}
OTHER = [TABLE]

class Item:
    def __init__(self, number):
        self.number = number

def look_up(item):
    return TABLE[item.number][0] + len(OTHER)

looks = []
ids_of = common_parts.ids_of

def counted(picklers):
    looks.append(1)
    return ids_of(picklers)

if __name__ == "__main__":
    common_parts.ids_of = counted
    for many in (8, 200):
        looks.clear()
        found = pmap(look_up, [Item(n) for n in range(many)], processes=True)
        assert found == [n + 1 for n in range(many)], found
        print(len(looks))
"""


def test_globals_are_looked_through_for_a_call_not_for_each_task(
    tmp_path: Path,
) -> None:
    """For what they have in common, which takes as long as to pickle them."""
    few, many = run_script(GLOBALS, tmp_path).split()

    assert 0 < int(many) <= int(few)


def test_a_function_that_shares_nothing_is_packed_once(counted: Counted) -> None:
    """Also one that holds things, next to arguments that hold some."""
    function = closure_over([counted, *thousands()])

    execute_tasks_in_parallel([Task.of(function, [n]) for n in range(20)], 2, True)

    assert Counted.pickled == 1


def small_is(job: dict[str, int], jobs: list[Any]) -> tuple[int, bool]:
    return job["number"], jobs[-1] is job


def test_a_small_part_of_a_large_one_is_as_it_is_when_its_task_goes_out() -> None:
    """It is never what it was for another task, and the large one goes with it."""
    job = {"number": -1}
    jobs = [*thousands(), job]

    def tasks() -> Iterator[Task[tuple[int, bool]]]:
        for number in range(20):
            job["number"] = number
            yield Task.of(small_is, job, jobs)

    stream = execute_tasks_in_parallel_streaming(tasks(), 1, True, chunksize=1)

    found = [value for _, value in stream]
    assert [same for _, same in found] == [True] * 20
    numbers = [number for number, _ in found]
    assert numbers == sorted(numbers)
