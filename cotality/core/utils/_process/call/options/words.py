"""The words for how many workers a call has, and where they are.

Each function takes all of them. Said twice, they have to say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cotality.core.utils._process.tasks.checks import (
    Said,
    agreed,
    checked_use_processes,
    contradiction,
)

from .declared import UseProcesses

# What *executor* says in words.
MEANINGS: dict[object, UseProcesses] = {
    "threads": False,
    "processes": True,
    "auto": "auto",
}


WORDS_FOR_WORKERS = ("workers", "max_workers", "n_jobs")
# Of these one says what the others would.
SYNONYMS = (
    frozenset(WORDS_FOR_WORKERS),
    frozenset({"processes", "use_processes", "executor"}),
    frozenset({"memory_limit", "memory_limit_mb"}),
)


def workers_said(options: Mapping[str, object], max_workers: object) -> Said:
    """How many workers there are to be; None if nobody has said that.

    Raises:
        ValueError: Two words contradict one another.
    """
    said = Said("max_workers", max_workers)
    for word in WORDS_FOR_WORKERS:
        said = agreed(said, Said(word, options.get(word)))
    return said


def place_said(options: Mapping[str, object], use_processes: object) -> Said:
    """Where tasks are to run; None if nobody has said that, or as good as nobody.

    Args:
        use_processes: What the parameter of that name says, whose default is False.

    Raises:
        ValueError: Two words contradict one another, or one has no meaning.
        TypeError: One is of the wrong type.
    """
    said = Said("use_processes", use_processes)
    if use_processes is not None and use_processes is not False:
        checked_use_processes(use_processes)
    for word in ("processes", "use_processes"):
        value = options.get(word)
        if value is not None:
            is_unsaid = said.value is False and said.word == "use_processes"
            other = Said(word, checked_use_processes(value, word))
            said = other if is_unsaid else agreed(said, other)
    return said


def where_to_run(
    executor: object, place: Said, default: UseProcesses
) -> tuple[Any, UseProcesses]:  # Any: what a caller wrote
    """The executor of others, if *executor* is one, and where tasks run otherwise.

    Args:
        executor: The option.
        place: What the other words say.
        default: Where they run if nothing says that.

    Raises:
        ValueError: The words contradict one another, or *executor* is no known one.
    """
    is_said = place.value is not None and place.value is not False
    if not isinstance(executor, str):
        if place.value is None:
            return executor, default if executor is None else False
        return executor, checked_use_processes(place.value, place.word)
    if executor not in MEANINGS:
        from .wrong_names import meant_place

        way = meant_place(executor, ("threads", "processes", "auto"), "inline=True")
        raise ValueError(
            f"executor must be one of {', '.join(map(repr, MEANINGS))}, or an executor "
            f"of concurrent.futures, got {executor!r}.{way}"
        )
    meaning = MEANINGS[executor]
    if place.word == "processes" and place.value is False:
        is_said = True
    if is_said and place.value != meaning:
        raise contradiction(Said("executor", executor), place)
    return None, meaning
