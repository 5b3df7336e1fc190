"""Runs the items of some work in a plain loop, and takes over known results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cotality.core.calls import log_is_wanted, run_in_loop, unwrapped
from cotality.tuning._tuning.work.work import Work

# Any in this module: the items and the results of any function.


def results_of_loop(work: Work) -> list[Any]:
    """The results of *work*, one item after the other, in this thread.

    Raises:
        Exception: As from the core: with a note that names the item.
    """
    results: list[Any] = []
    if not log_is_wanted():
        others = after_known(work, results)
        return run_in_loop(work.function, others, results, unpack=work.unpack)
    from .loop_log import logged

    with logged(work, results):
        others = after_known(work, results)
        return run_in_loop(work.function, others, results, unpack=work.unpack)


def after_known(work: Work, results: list[Any]) -> Iterator[Any]:
    """The items whose results are not known; of the others they go to *results*."""
    known = work.known_head()
    if work.take(known):
        results.extend(map(unwrapped, known))
    if not results:
        return iter(work.data)
    from cotality.core.calls import items_after

    return items_after(work.data, len(results))


def import_what_a_loop_needs() -> None:
    """So that the first loop of a program takes no longer than the others."""
    run_in_loop(abs, iter(()), [])
