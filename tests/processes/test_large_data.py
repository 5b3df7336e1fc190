"""Large arguments and results: packed once, and still nobody's but the task's own."""

from __future__ import annotations

import errno
import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from cotality.core.utils._process.channel import messages, segments
from cotality.core.utils._process.machine.descriptor import Descriptor
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    TaskNotPicklableError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    share,
    worker_pool,
)
from tests.kit.helpers import Gate, Marks, are_same, echo, run_script, wait_for_marks
from tests.kit.large import (
    LARGE,
    MANY,
    MB,
    Counted,
    DiesWhenPickled,
    Heap,
    Leaves,
    Moody,
    RefusesByOSError,
    Ticket,
    Visits,
    append,
    change,
    die_with,
    first,
    increment,
    killed_soon_after,
    last,
    length,
    lists_here,
    noughts,
    number_of_all,
    number_of_last_items,
    numbered,
    result_without_room,
    switch_off_segments,
    visit,
)
from tests.kit.limits import GONE_S, LONG_S, POLL_S
from tests.kit.programs import Program

# It is about memory and descriptors, not about the Python.
pytestmark = pytest.mark.one_python

Bytes = NDArray[np.uint8]

SEGMENT = "/memfd:cotality (deleted)"  # how Linux shows one

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks into /proc"
)


@pytest.fixture(params=["segments", "link"])
def way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Whether large data goes through segments, or there are none on this platform."""
    if request.param == "segments":
        if not segments.ARE_AVAILABLE:
            pytest.skip("no descriptors can be sent here")
        yield request.param
        return
    monkeypatch.setattr(segments, "ARE_AVAILABLE", False)
    monkeypatch.setattr(messages, "ARE_AVAILABLE", False)
    with worker_pool(max_workers=2, initializer=switch_off_segments):
        yield request.param


@pytest.fixture(autouse=True)
def no_segment_is_left() -> Iterator[None]:
    """No test leaves a segment open or mapped."""
    before = segments_here()
    yield
    gc.collect()
    wait_until(lambda: segments_here() <= before)


def segments_here() -> int:
    """How many segments this process has open or mapped."""
    if not sys.platform.startswith("linux"):
        return 0
    maps = Path("/proc/self/maps").read_text("utf-8")
    return len(segment_files()) + maps.count(SEGMENT)


def segment_files(pid: int | str = "self") -> list[str]:
    found: list[str] = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(os.readlink(fd))
        except FileNotFoundError:
            continue  # the one that listed the others
    return [name for name in found if name == SEGMENT]


def files_in_shm(pid: int) -> set[Path]:
    """What a process has open or mapped in there; others have files there as well."""
    maps = Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()
    names = [line.split(maxsplit=5)[-1] for line in maps if "/dev/shm/" in line]
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(os.readlink(fd))
        except FileNotFoundError:
            continue
    return {Path(name) for name in names if name.startswith("/dev/shm/")}


@pytest.fixture
def counted() -> list[object]:
    Counted.pickled = 0
    return [*range(MANY), Counted()]


# The same object in several tasks.


def test_the_same_large_argument_is_pickled_once(counted: list[object]) -> None:
    """An object that many tasks of a call hold is pickled once for all of them."""
    tasks = [Task(length, {"items": counted}) for _ in range(50)]
    tasks += [Task.of(length, counted) for _ in range(50)]

    assert execute_tasks_in_parallel(tasks, 2, True) == [len(counted)] * 100

    assert Counted.pickled == 1


def test_a_large_argument_is_pickled_anew_for_the_next_call(
    counted: list[object],
) -> None:
    """What has changed between two calls is seen by the second."""
    tasks = [Task(length, {"items": counted}) for _ in range(10)]

    assert execute_tasks_in_parallel(tasks, 2, True) == [len(counted)] * 10
    counted.append(0)
    assert execute_tasks_in_parallel(tasks, 2, True) == [len(counted)] * 10

    assert Counted.pickled == 2


def own() -> Task[int]:
    """A task with a large argument that no other has."""
    return Task(length, {"data": bytes(70_000)})


def test_a_large_argument_is_pickled_once_however_far_apart(
    counted: list[object],
) -> None:
    """Tasks that hold it may have many between them with large ones of their own."""
    shared = Task(length, {"items": counted})
    tasks = [shared if n % 100 == 0 else own() for n in range(801)]

    execute_tasks_in_parallel(tasks, 2, True)
    assert Counted.pickled == 1
    made_on_the_way = (shared if n % 100 == 0 else own() for n in range(801))
    execute_tasks_in_parallel(made_on_the_way, 2, True)
    assert Counted.pickled == 2


@pytest.mark.parametrize("named", [True, False], ids=["named", "positional"])
def test_no_task_sees_what_another_did_to_a_list(way: str, named: bool) -> None:
    """Each task has a copy of its own, also next to others in the same portion."""
    items = list(range(MANY))
    task = Task(append, {"items": items}) if named else Task.of(append, items)

    assert execute_tasks_in_parallel([task] * 60, 2, True) == [MANY + 1] * 60

    assert len(items) == MANY


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytearray(LARGE), id="bytearray"),
        pytest.param(noughts(), id="array"),
        pytest.param(noughts(2 * MB), id="large array"),
        pytest.param({0: 0, **dict.fromkeys(range(1, MANY), 0)}, id="dict"),
    ],
)
def test_a_task_may_change_its_argument(way: str, data: Any) -> None:
    """Large arguments can be written to, and the change stays in the task."""
    tasks = [Task(increment, {"data": data}) for _ in range(60)]

    assert execute_tasks_in_parallel(tasks, 2, True) == [1] * 60

    assert data[0] == 0


def test_an_array_arrives_as_it_is(way: str) -> None:
    """Order, type, shape and a write protection survive the trip, both ways."""
    fortran = np.asfortranarray(np.arange(MANY, dtype=">i4").reshape(200, -1))
    protected = noughts()
    protected.flags.writeable = False
    every_third = np.arange(3 * MANY)[::3]

    arrived = execute_tasks_in_parallel(
        [Task.of(echo, each) for each in (fortran, protected, every_third)], 2, True
    )

    assert [a.dtype for a in arrived] == [fortran.dtype, "u1", every_third.dtype]
    assert [bool(a.flags.writeable) for a in arrived] == [True, False, True]
    assert arrived[0].flags.f_contiguous
    for sent, back in zip((fortran, protected, every_third), arrived, strict=True):
        assert np.array_equal(sent, back)


def test_the_same_object_twice_in_a_task_is_the_same_there(way: str) -> None:
    """Identity within one task survives."""
    items = list(range(MANY))
    tasks = [
        Task(are_same, {"a": items, "b": items}),
        Task.of(are_same, items, items),
        Task(are_same, {"b": items}, positional=(items,)),
        Task(are_same, {"a": items, "b": list(items)}),
    ]

    answers = execute_tasks_in_parallel(tasks, 2, True)

    assert answers == [True, True, True, False]


def test_more_large_arguments_than_descriptors_with_a_message(way: str) -> None:
    """One task may have any number of them, and so may a portion of such tasks."""
    arrays = [np.full(70_000, n % 200, np.uint8) for n in range(300)]

    def firsts(*values: Bytes) -> list[int]:
        return [int(value[0]) for value in values]

    def shared_firsts(**values: Bytes) -> list[int]:
        return [int(value[0]) for value in values.values()]

    expected = [n % 200 for n in range(300)]
    tasks = [Task.of(firsts, *arrays)] * 3
    tasks += [Task(shared_firsts, {f"a{n}": share(a) for n, a in enumerate(arrays)})]

    assert execute_tasks_in_parallel(tasks * 2, 2, True) == [expected] * 8


def test_functions_with_much_inside_and_many_of_them() -> None:
    """Thousands of short tasks may each have a large closure of their own."""

    def closure(number: int) -> Callable[[], int]:
        inside = bytes(70_000)
        return lambda: len(inside) + number

    tasks = (Task(closure(number)) for number in range(1500))

    results = execute_tasks_in_parallel(tasks, 2, True)

    assert results == [70_000 + number for number in range(1500)]


# What a worker has had before.


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(numbered(), id="list"),
        pytest.param([*map(float, numbered())], id="floats"),
        pytest.param([*numbered(), None, True, "a", b"b", 1.5], id="mixed"),
        pytest.param([(n, f"{n}") for n in numbered()], id="rows"),
        pytest.param([*numbered(), []], id="list with a list"),
        pytest.param([*numbered(), bytearray(b"b")], id="list with a bytearray"),
        pytest.param([(n, []) for n in numbered()], id="rows with lists"),
        pytest.param(Heap(numbered()), id="subclass"),
        pytest.param(tuple(numbered()), id="tuple"),
        pytest.param((*numbered(), []), id="tuple with a list"),
        pytest.param(dict.fromkeys(numbered(), 0), id="dict"),
        pytest.param({n: [n] for n in numbered()}, id="dict of lists"),
        pytest.param(set(numbered()), id="set"),
        pytest.param(frozenset(numbered()), id="frozenset"),
        pytest.param("a" * LARGE, id="str"),
        pytest.param(b"a" * LARGE, id="bytes"),
    ],
)
def test_an_argument_is_pristine_however_often_a_worker_gets_it(thing: Any) -> None:
    """Each task of a worker finds it as the caller has it, whatever others did."""
    outcomes = execute_tasks_in_parallel([Task(change, {"thing": thing})] * 6, 1, True)

    assert len(set(outcomes)) == 1


def test_what_a_worker_gets_again_is_copied_if_nobody_can_tell() -> None:
    """A list of numbers is unpickled twice in a worker, then it is only copied."""
    numbers, lists = numbered(), [[n] for n in range(MANY)]

    def seen(items: list[Any]) -> int:
        tasks = [Task(number_of_last_items, {"items": items})] * 10
        return execute_tasks_in_parallel(tasks, 1, True)[-1]

    assert seen(numbers) == 2
    assert seen(lists) == 2 + 10


def test_what_two_tasks_hold_in_turn_is_copied_too() -> None:
    """A worker remembers more than the last one, and all that one task has."""
    kinds = [numbered() for _ in range(3)]
    names = [f"numbers{n}" for n in range(3)]
    in_turn = [Task(number_of_last_items, {"items": kinds[n % 2]}) for n in range(10)]
    all_at_once = Task(number_of_all, dict(zip(names, kinds, strict=True)))

    assert execute_tasks_in_parallel(in_turn, 1, True)[-1] == 4
    assert execute_tasks_in_parallel([all_at_once] * 10, 1, True)[-1] == 4 + 6


def test_what_unpickling_computes_is_computed_for_each_task() -> None:
    """A list that holds only numbers when it arrives may have been more before."""
    items = [*range(MANY), Ticket()]

    results = execute_tasks_in_parallel([Task(last, {"items": items})] * 6, 1, True)

    assert results == list(range(1_000_000, 1_000_006))


def test_identity_within_a_task_survives_copying() -> None:
    """The same list in two arguments is one list, also in the tasks that follow."""
    items, other = numbered(), numbered()
    same = Task(are_same, {"a": items, "b": items})
    different = Task(are_same, {"a": items, "b": other})

    answers = execute_tasks_in_parallel([same, different] * 4, 1, True)

    assert answers == [True, False] * 4


def test_a_worker_lets_go_of_what_it_copies() -> None:
    """It keeps a list until others have taken its place, or for as long as the call."""
    size = MANY + 123  # like no other list that a worker may have
    many_times = [Task(length, {"items": list(range(size))})] * 4
    others = [Task(length, {"items": [n] * MANY}) for n in range(3)]
    count = Task(lists_here, {"size": size})

    assert execute_tasks_in_parallel([*many_times, count], 1, True)[-1] == 1
    assert execute_tasks_in_parallel([count], 1, True) == [0]
    assert execute_tasks_in_parallel([*many_times, *others, count], 1, True)[-1] == 0


# When an argument is captured.


def test_a_change_by_the_caller_comes_too_late_for_tasks_that_share() -> None:
    """A large argument is captured with the first task that holds it."""
    items = [0] * MANY

    def tasks() -> Iterator[Task[int]]:
        for number in range(8):
            yield Task(first, {"data": items})
            items[0] = number + 1

    stream = execute_tasks_in_parallel_streaming(tasks(), 1, True)
    values = [value for _, value in stream]

    assert len(set(values)) == 1


def test_another_object_is_captured_by_itself() -> None:
    """An object made for each task is what it was when its task was handed out."""

    def tasks() -> Iterator[Task[int]]:
        for number in range(100):
            yield Task(first, {"data": [number] * MANY})

    stream = execute_tasks_in_parallel_streaming(tasks(), 2, True)

    assert [value for _, value in stream] == list(range(100))


# share.


@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "large"])
def test_what_is_shared_is_one_object_in_each_worker(way: str, size: int) -> None:
    """All tasks of a worker get the same object, with what others did to it."""
    shared = share(Visits(size))
    tasks = [Task(visit, {"guest_book": shared}) for _ in range(100)]
    tasks += [Task.of(visit, shared) for _ in range(100)]

    seen = execute_tasks_in_parallel(tasks, 2, True)

    pids = {pid for pid, _, _ in seen}
    assert len({(pid, identity) for pid, identity, _ in seen}) == len(pids)
    for one in pids:
        visits = [count for pid, _, count in seen if pid == one]
        assert sorted(visits) == list(range(1, len(visits) + 1))


def test_what_is_shared_is_pickled_once(counted: list[object]) -> None:
    """However often it is marked, and however many other tasks come between."""

    def tasks() -> Iterator[Task[int]]:
        for number in range(100):
            yield Task(length, {"items": share(counted)})
            yield Task(length, {"items": [number] * MANY})

    results = execute_tasks_in_parallel(tasks(), 2, True)

    assert results == [len(counted), MANY] * 100
    assert Counted.pickled == 1


def test_what_is_shared_is_new_in_the_next_call() -> None:
    """A call starts with the object as it is in the caller."""
    shared = share(Visits(LARGE))

    for _ in range(2):
        ((_, _, visits),) = execute_tasks_in_parallel(
            [Task(visit, {"guest_book": shared})], 1, True
        )
        assert visits == 1


def test_equal_objects_that_are_shared_stay_two(use_processes: bool) -> None:
    """Two objects are two, also when their pickles are the same."""
    one, other = share([0]), share([0])
    tasks = [Task(append, {"items": items}) for items in (one, other, one)]

    assert execute_tasks_in_parallel(tasks, 1, use_processes) == [2, 2, 3]


def test_threads_get_the_shared_object_itself() -> None:
    """On threads nothing is copied, and marks are gone."""
    thing = object()
    tasks = [
        Task(are_same, {"a": share(thing), "b": thing}),
        Task.of(are_same, thing, share(thing)),
        Task.of(are_same, thing, share(share(thing))),
    ]

    assert execute_tasks_in_parallel(tasks, 2) == [True] * 3


def test_a_mark_inside_of_something_else_is_the_object() -> None:
    """Only an argument itself can be shared; deeper down the mark means nothing."""
    nested = {"inside": [share([1, 2])]}
    (back,) = execute_tasks_in_parallel([Task(echo, {"value": nested})], 1, True)
    with IsolatedProcessPoolExecutor(1) as executor:
        submitted = executor.submit(echo, share([1, 2])).result()

    assert back == {"inside": [[1, 2]]}
    assert type(back["inside"][0]) is list
    assert submitted == [1, 2]


def test_an_error_shows_what_was_shared() -> None:
    """What cannot be pickled is found inside of a shared object."""
    shared = share({"doors": [threading.Lock()]})

    (error,) = execute_tasks_in_parallel(
        [Task(length, {"items": shared})], 1, True, True
    )

    assert isinstance(error, TaskNotPicklableError)
    assert "arguments['items']['doors'][0] is a _thread.lock" in str(error)


def test_what_cannot_be_unpickled_costs_its_task_alone(tmp_path: Path) -> None:
    """A shared object that fails to load is tried again for the next task."""
    moody = share(Moody(tmp_path))
    tasks = [Task(first, {"data": moody}) for _ in range(5)]

    outcomes = execute_tasks_in_parallel(tasks, 1, True, True)

    assert isinstance(outcomes[0], ValueError)
    assert outcomes[1:] == [1] * 4


# Results.


@pytest.mark.parametrize("size", [LARGE, 2 * MB], ids=["copied", "mapped"])
def test_a_large_result_is_the_callers_own(way: str, size: int) -> None:
    """It can be written to, and shares nothing with any other."""
    shared = share(noughts(size))
    results = execute_tasks_in_parallel([Task(echo, {"value": shared})] * 6, 2, True)

    for number, result in enumerate(results):
        result[:] = number

    assert [int(result[-1]) for result in results] == list(range(6))


@linux
def test_a_result_is_gone_with_its_last_reference() -> None:
    """The memory of a result is freed when the caller drops it, with no collection."""
    before = segments_here()
    results = execute_tasks_in_parallel([Task.of(noughts, 2 * MB)] * 4, 2, True)
    watches = [weakref.ref(result) for result in results]
    assert segments_here() > before
    gc.collect()
    gc.disable()
    try:
        results.clear()
        wait_until(lambda: not any(watch() is not None for watch in watches))
        wait_until(lambda: segments_here() == before)
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_of_the_caller_has_a_copy_of_its_results() -> None:
    """What a forked child does to a result is not seen by its parent."""
    (result,) = execute_tasks_in_parallel([Task.of(noughts, 2 * MB)], 1, True)

    child = os.fork()
    if child == 0:
        result[0] = 9
        os._exit(0)
    os.waitpid(child, 0)

    assert result[0] == 0


def test_more_results_than_descriptors(tmp_path: Path) -> None:
    """A caller may keep more large results than it may have open files."""
    source = (
        "import resource\n"
        "import numpy as np\n"
        "from cotality.core.utils.process import *\n"
        "_, most = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))\n"
        "tasks = [Task.of(np.ones, 9_000 if n % 4 else 150_000) for n in range(1200)]\n"
        "results = execute_tasks_in_parallel(tasks, 2, True)\n"
        "print(sum(int(result[-1]) for result in results))\n"
    )
    assert run_script(source, tmp_path) == "1200\n"


def test_more_arguments_than_descriptors(tmp_path: Path) -> None:
    """Where no descriptor is left, arguments travel through the link."""
    source = (
        "import os, resource\n"
        "import numpy as np\n"
        "from cotality.core.utils.process import *\n"
        "execute_tasks_in_parallel([Task.of(len, 'warm')] * 2, 2, True)\n"
        "_, most = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "here = len(os.listdir('/proc/self/fd'))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (here + 3, most))\n"
        "tasks = [Task.of(len, np.ones(9_000 + n)) for n in range(30)]\n"
        "results = execute_tasks_in_parallel(tasks, 2, True)\n"
        "print(results == list(range(9_000, 9_030)))\n"
    )
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("nobody can tell how many files are open")
    assert run_script(source, tmp_path) == "True\n"


def test_large_results_count_among_the_tasks_of_a_worker() -> None:
    """`max_tasks_per_worker` holds for tasks with small and with large results."""

    def work(number: int) -> tuple[int, bytes]:
        return os.getpid(), bytes(LARGE if number % 4 == 3 else 1)

    results = execute_tasks_in_parallel(
        [Task(work, {"number": n}) for n in range(40)], 1, True, max_tasks_per_worker=4
    )

    assert max(Counter(pid for pid, _ in results).values()) <= 4


# Nothing piles up.


def size_of_segments() -> float:
    """Megabytes in the segments that this process holds."""
    size = 0
    for fd in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(fd) == SEGMENT:
                size += os.stat(fd).st_size
        except FileNotFoundError:
            continue  # the one that listed the others
    return size / MB


@linux
def test_arguments_that_are_made_on_the_way_do_not_pile_up() -> None:
    """Each goes when its task is done, and few are packed ahead."""
    alive, most_alive, most_packed = 0, 0, 0.0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def tasks() -> Iterator[Task[int]]:
        nonlocal alive, most_alive, most_packed
        for _ in range(300):
            data = noughts(MB)
            alive += 1
            weakref.finalize(data, gone)
            yield Task(length, {"data": data})
            most_alive = max(most_alive, alive)
            most_packed = max(most_packed, size_of_segments())

    for _, size in execute_tasks_in_parallel_streaming(tasks(), 2, True):
        assert size == MB

    assert most_alive < 150
    assert most_packed < 80  # of 300 MB
    wait_until(lambda: alive == 0)


@linux
def test_lists_that_are_made_on_the_way_do_not_pile_up() -> None:
    """Neither they nor what is packed of them, though nobody says when they go."""
    size, count = 70_011, 600  # items as in no other list, and lists
    most_lists, most_open, most_packed = 0, 0, 0.0

    def tasks() -> Iterator[Task[int]]:
        nonlocal most_lists, most_open, most_packed
        for number in range(count):
            yield Task(length, {"items": [number] * size})
            if number % 20 == 0:
                most_lists = max(most_lists, lists_here(size))
                most_open = max(most_open, len(segment_files()))
                most_packed = max(most_packed, size_of_segments())

    for _, found in execute_tasks_in_parallel_streaming(tasks(), 2, True):
        assert found == size

    assert 0 < most_lists < 300
    assert 0 < most_open < 300
    assert 0 < most_packed < 80  # of 100 MB


@linux
def test_packed_arguments_of_a_list_of_tasks_do_not_pile_up() -> None:
    """Of what the caller keeps anyway only a part is kept packed as well."""
    most_open = 0

    tasks = [own() for _ in range(1000)]

    for _ in execute_tasks_in_parallel_streaming(tasks, 2, True):
        most_open = max(most_open, len(segment_files()))

    assert 0 < most_open < 400


@linux
def test_results_of_a_stream_do_not_pile_up() -> None:
    """A stream holds the large results of its window, and none that was taken."""
    began: set[int] = set()
    most = 0.0

    def tasks() -> Iterator[Task[Bytes]]:
        for number in range(300):
            began.add(number)
            yield Task.of(noughts, MB)

    for index, result in execute_tasks_in_parallel_streaming(tasks(), 2, True):
        assert len(result) == MB
        assert len(began) - index < 100
        most = max(most, size_of_segments())

    assert most < 100  # of 300 MB


@linux
def test_an_argument_is_let_go_of_when_its_call_has_ended() -> None:
    """Neither an argument nor its segment outlives the call, with no collection."""
    before = segments_here()
    data, other = noughts(2 * MB), noughts(2 * MB)
    watches = [weakref.ref(data), weakref.ref(other)]
    gc.collect()
    gc.disable()
    try:
        tasks = [Task(length, {"data": data, "other": share(other)})] * 10
        execute_tasks_in_parallel(tasks, 2, True)
        del data, other, tasks
        wait_until(lambda: not any(watch() is not None for watch in watches))
        wait_until(lambda: segments_here() == before)
    finally:
        gc.enable()


@linux
def test_a_failure_that_is_kept_keeps_nothing_of_its_neighbours() -> None:
    """A task that cannot be sent holds neither arguments nor segments of others."""
    before = segments_here()
    data = noughts(2 * MB)
    watch = weakref.ref(data)
    tasks = [Task(length, {"data": data}), Task(length, {"items": [threading.Lock()]})]

    results = execute_tasks_in_parallel(tasks * 10, 1, True, True)
    del data, tasks

    assert isinstance(results[1], TaskNotPicklableError)
    assert isinstance(results[1].__cause__, TypeError)
    wait_until(lambda: watch() is None)
    wait_until(lambda: segments_here() == before)


@linux
def test_a_stream_that_is_left_early_leaves_no_segment() -> None:
    """Closing a stream lets go of what it had packed and of what came back."""
    before = segments_here()
    items = list(range(MANY))
    tasks = [Task(echo, {"value": items}) for _ in range(50)]

    stream = execute_tasks_in_parallel_streaming(tasks, 2, True)
    next(stream)
    stream.close()

    wait_until(lambda: segments_here() == before)


@linux
@pytest.mark.parametrize("data", [noughts(2 * MB), list(range(MANY))], ids=type)
def test_a_call_leaves_the_number_of_descriptors_as_it_was(
    data: Any, marks: Marks
) -> None:
    """On warm workers a call with large data opens nothing that it does not close."""
    tasks = [Task(echo, {"value": data}), Task(echo, {"value": share(data)})] * 5
    tasks.append(Task(visit, {"guest_book": data}))  # fails
    together = [
        Task(wait_for_marks, {"marks": marks, "name": n, "count": 2}) for n in "ab"
    ]
    execute_tasks_in_parallel(together, 2, True)
    before = psutil.Process().num_fds()

    for _ in range(4):
        outcomes = execute_tasks_in_parallel(tasks, 2, True, True)
        assert isinstance(outcomes.pop(), AttributeError)
        assert len(outcomes.pop()) == len(data)
        outcomes.clear()
        wait_until(lambda: psutil.Process().num_fds() == before)


# Functions.


def test_what_a_function_holds_arrives_for_each_task(way: str, tmp_path: Path) -> None:
    """It belongs to the task, as if each had been sent by itself."""
    inside = Leaves(tmp_path)
    tasks = [Task(lambda: len(inside.content))] * 100

    for calls in (1, 2):
        assert execute_tasks_in_parallel(tasks, 2, True) == [LARGE] * 100
        arrivals = [p.read_text() for p in tmp_path.glob("*.arrivals")]
        assert sum(len(each) for each in arrivals) == 100 * calls


# No room.


def no_memory_file() -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_file() -> Descriptor:
    """One that takes nothing."""
    return Descriptor(os.open, "/dev/full", os.O_RDWR)


def test_without_room_in_memory_a_disk_file_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no file in memory can be made or filled, the temporary folder serves."""
    disk_files: list[int] = []
    monkeypatch.setattr(tempfile, "tempdir", f"{tmp_path}")

    def disk_file() -> Descriptor:
        disk_files.append(1)
        return real()

    real = segments.disk_file
    monkeypatch.setattr(segments, "disk_file", disk_file)
    for memory_file in (no_memory_file, full_file):
        monkeypatch.setattr(segments, "memory_file", memory_file)
        items = list(range(MANY))
        tasks = [Task(append, {"items": items}) for _ in range(10)]
        assert execute_tasks_in_parallel(tasks, 2, True) == [MANY + 1] * 10

    assert len(disk_files) == 2
    assert [*tmp_path.glob("cotality-*")] == []


def test_an_argument_without_room_costs_its_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where neither memory nor disk has room, that task fails with an `OSError`."""
    monkeypatch.setattr(segments, "memory_file", no_memory_file)
    monkeypatch.setattr(segments, "disk_file", full_file)
    tasks = [Task(length, {"items": [0] * n}) for n in (1, MANY, 2)]

    one, error, two = execute_tasks_in_parallel(tasks, 2, True, True)

    assert (one, two) == (1, 2)
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert "no room for a large object" in str(error)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 4 MiB, on a file system of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user may not mount anything: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def free_room(folder: Path) -> int:
    """Bytes."""
    found = os.statvfs(folder)
    return found.f_bfree * found.f_bsize


@linux
def test_what_memory_has_no_room_for_goes_to_disk(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that turns out to be full while it is written is given up, and freed."""
    before = free_room(small_disk)

    def memory_file() -> Descriptor:
        return Descriptor(os.open, str(small_disk), os.O_TMPFILE | os.O_RDWR)

    monkeypatch.setattr(segments, "memory_file", memory_file)
    data = noughts(8 * MB)

    results = execute_tasks_in_parallel([Task(increment, {"data": data})] * 4, 2, True)

    assert results == [1] * 4
    assert free_room(small_disk) == before


@linux
def test_a_disk_without_room_costs_one_task_and_is_not_filled_up(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit takes no room from others, and what fits is written."""
    before = free_room(small_disk)
    monkeypatch.setattr(segments, "memory_file", no_memory_file)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    least_room = before

    def write(fd: int, data: memoryview) -> int:
        nonlocal least_room
        count = real(fd, data)
        least_room = min(least_room, free_room(small_disk))
        return count

    real = os.write
    monkeypatch.setattr(os, "write", write)
    tasks = [Task(length, {"data": noughts(size)}) for size in (MB, 8 * MB, MB)]
    one, error, other = execute_tasks_in_parallel(tasks, 2, True, True)

    assert (one, other) == (MB, MB)
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC
    assert least_room > MB
    wait_until(lambda: free_room(small_disk) == before)
    assert not list(small_disk.iterdir())


def test_where_nothing_can_be_reserved_writing_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file system that cannot reserve room is used all the same."""

    def cannot(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(segments, "memory_file", no_memory_file)
    monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
    tasks = [Task(length, {"data": noughts(MB)})] * 2

    assert execute_tasks_in_parallel(tasks, 2, True) == [MB, MB]


def test_a_submitted_argument_without_room_is_an_os_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The executor says the same, through the future."""
    monkeypatch.setattr(segments, "memory_file", no_memory_file)
    monkeypatch.setattr(segments, "disk_file", full_file)
    with IsolatedProcessPoolExecutor(1) as executor:
        error = executor.submit(length, [0] * MANY).exception(LONG_S)
        assert executor.submit(length, [0]).result(LONG_S) == 1

    assert isinstance(error, OSError)


def test_a_result_without_room_costs_its_task() -> None:
    """A worker that finds no room says so, and goes on with the next task."""
    tasks = [Task.of(len, "a"), Task.of(result_without_room, 5 * MB), Task.of(len, "b")]

    one, error, two = execute_tasks_in_parallel(tasks, 1, True, True)

    assert (one, two) == (1, 1)
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC


def test_a_submitted_call_whose_result_has_no_room_is_an_os_error() -> None:
    """The executor says the same, and its worker goes on."""
    with IsolatedProcessPoolExecutor(1) as executor:
        error = executor.submit(result_without_room, 5 * MB).exception(LONG_S)
        assert executor.submit(len, "a").result(LONG_S) == 1

    assert isinstance(error, OSError)


def test_an_os_error_while_pickling_is_not_taken_for_lack_of_room() -> None:
    """An argument or result that fails to pickle fails as such, whatever it raises."""
    argument = Task(length, {"items": [RefusesByOSError()] * MANY})
    result = Task(lambda: [RefusesByOSError()])

    outcomes = execute_tasks_in_parallel([argument, result], 1, True, True)

    assert [type(each) for each in outcomes] == [TaskNotPicklableError] * 2


# Workers and parents that die.


def test_a_worker_that_dies_with_large_data_costs_one_task(way: str) -> None:
    """The others get their arguments from the same segment, and results arrive."""
    items = list(range(MANY))
    tasks: list[Task[Any]] = [Task(echo, {"value": items}) for _ in range(20)]
    tasks[5] = Task(die_with, {"data": items})
    tasks[6] = Task(die_with, {"data": share(items)})

    outcomes = execute_tasks_in_parallel(tasks, 2, True, True)

    assert [type(each) for each in outcomes[5:7]] == [WorkerCrashedError] * 2
    assert outcomes[:5] + outcomes[7:] == [items] * 18


def test_a_worker_that_dies_while_it_packs_a_result_costs_one_task() -> None:
    """What others have returned before, small or large, is not lost."""
    tasks: list[Task[Any]] = [
        Task.of(noughts, LARGE if n % 2 else 9) for n in range(20)
    ]
    tasks[5] = Task(lambda: [noughts(), DiesWhenPickled()])

    outcomes = execute_tasks_in_parallel(tasks, 2, True, True)

    assert isinstance(outcomes.pop(5), WorkerCrashedError)
    sizes = [LARGE if n % 2 else 9 for n in range(20) if n != 5]
    assert [len(each) for each in outcomes] == sizes


def test_a_worker_that_dies_around_its_answer_loses_nothing_else() -> None:
    """Each task either gives its result or fails by the crash, and all of them do."""
    tasks = [Task.of(killed_soon_after, 2 * MB + n) for n in range(10)]
    tasks += [Task.of(noughts, 2 * MB)] * 10

    outcomes = execute_tasks_in_parallel(tasks, 2, True, True)

    for outcome in outcomes:
        assert isinstance(outcome, WorkerCrashedError) or len(outcome) >= 2 * MB


@linux
def test_nothing_is_left_when_the_caller_is_killed(
    tmp_path: Path, marks: Marks, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL of the caller leaves no file, no process and no word."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", f"{folder}")
    source = """
import numpy as np
big = np.zeros(2_000_000)
def work(big, number):
    marks.leave(str(number))
    gate.wait()
    return big
execute_tasks_in_parallel(
    [Task(work, {"big": big, "number": n}) for n in range(2)]
    + [Task(work, {"big": share(big), "number": n}) for n in range(2)], 2, True
)
"""
    with Program(source, tmp_path) as program:
        marks.wait_for(2)
        children = psutil.Process(program.process.pid).children(recursive=True)
        assert any(segment_files(child.pid) for child in children)
        pids = [program.process.pid, *(child.pid for child in children)]
        in_shm = set[Path]().union(*map(files_in_shm, pids))
        program.process.kill()
        program.process.wait(LONG_S)
        _, alive = psutil.wait_procs(children, timeout=LONG_S)

    assert not alive
    assert [*folder.iterdir()] == []
    assert [file for file in in_shm if file.exists()] == []


def test_a_script_with_large_data_ends_quietly(tmp_path: Path) -> None:
    """No warning of a resource tracker, no open file, also when workers die."""
    source = """
import os
from cotality.core.utils.process import *
items = list(range(100_000))
def work(items, number):
    if number == 3:
        os._exit(1)
    return items
tasks = [Task(work, {"items": items, "number": n}) for n in range(9)]
tasks.append(Task(work, {"items": share(items), "number": 1}))
kept = execute_tasks_in_parallel(tasks, 2, True, True)
print(sum(each == items for each in kept))
stream = execute_tasks_in_parallel_streaming(tasks[5:], 2, True)
print(next(stream)[0])
"""
    assert run_script(source, tmp_path, "-X", "dev") == "9\n0\n"


# The executor.


def test_the_executor_takes_and_gives_large_data(way: str) -> None:
    """What is submitted and what comes back may be large, and is nobody else's."""
    data = noughts(2 * MB)
    initializer = switch_off_segments if way == "link" else None
    with IsolatedProcessPoolExecutor(2, initializer=initializer) as executor:
        futures = [executor.submit(increment, data) for _ in range(5)]
        assert [future.result(LONG_S) for future in futures] == [1] * 5
        back = executor.submit(echo, value=data).result(LONG_S)
        back[0] = 3
        assert list(executor.map(first, [data, back], chunksize=2)) == [0, 3]

    assert data[0] == 0


@linux
def test_the_executor_keeps_no_descriptor() -> None:
    """Once a result is dropped, what it came with is closed."""
    before = segments_here()
    with IsolatedProcessPoolExecutor(1) as executor:
        for _ in range(5):
            assert len(executor.submit(echo, noughts(2 * MB)).result(LONG_S)) == 2 * MB
        (worker,) = [
            child
            for child in psutil.Process().children(recursive=True)
            if child.pid in executor._pool.status().pids
        ]
        wait_until(lambda: not segment_files(worker.pid))
        wait_until(lambda: segments_here() == before)


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when it *holds*: the thread that watches the workers has to let go too."""
    end = time.monotonic() + GONE_S
    while not holds() and time.monotonic() < end:
        time.sleep(POLL_S)
    assert holds()
