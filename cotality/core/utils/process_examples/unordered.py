"""Each result as soon as it is there."""

from __future__ import annotations

import ast

from cotality.core.utils.process import Task, execute_tasks_in_parallel_streaming

from .output import Stopwatch, confirm, say, say_prose
from .sources import some_of, standard_library


def count_nodes(content: bytes) -> int:
    """How many nodes the syntax tree of a module has."""
    return sum(1 for _ in ast.walk(ast.parse(content)))


def unordered(scale: float) -> None:
    """Parse modules and report the largest so far, as they finish.

    With ordered=False each result comes as soon as it is there, with the index
    of its task, and waits for no slower one. A module that cannot be parsed
    gives its exception instead of ending the loop.

        stream = execute_tasks_in_parallel_streaming(
            tasks, use_processes=True, return_exceptions=True, ordered=False
        )
        for index, nodes in stream:
    """
    sources = some_of(standard_library(), scale)
    tasks = [Task.of(count_nodes, source.content) for source in sources]
    came: list[int] = []
    largest, first, broken = 0, 0.0, 0
    clock = Stopwatch()
    stream = execute_tasks_in_parallel_streaming(
        tasks, use_processes=True, return_exceptions=True, ordered=False
    )
    for index, nodes in stream:
        first = first or clock.so_far()
        came.append(index)
        if isinstance(nodes, Exception):
            broken += 1
        elif nodes > largest:
            largest = nodes
            say(f"{clock.so_far():6.2f} s  {nodes:8,} nodes  {sources[index].name}")
    say_prose(
        f"The first result was there after {first:.2f} s; a list of all {len(came)} "
        f"would have been there after {clock.lap():.2f} s."
    )
    if broken:
        say(f"This Python could not parse {broken} of them.")
    confirm("every module came exactly once", sorted(came) == list(range(len(tasks))))
