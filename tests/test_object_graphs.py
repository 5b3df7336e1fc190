"""A task arrives as one object graph: as if it had been pickled in one piece."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    share,
)
from tests.executors import PicklingThreads
from tests.graphs import Graph, Node, Shape, closure_over, graphs, shape
from tests.limits import LONG_S

some = settings(
    max_examples=80,
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
