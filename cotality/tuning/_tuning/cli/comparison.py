"""The same work in a loop, on threads, on processes and with "auto"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cotality._kit import units
from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.tuning._tuning.runs.execute import execute

if TYPE_CHECKING:
    from cotality.tuning._tuning.work.choice import ExecutorChoice

WAYS: dict[str, ExecutorChoice] = {
    "loop": "sequential",
    "threads": "threads",
    "processes": "processes",
    "auto": "auto",
}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the work took one way: the median, or why it could not be done."""

    way: str
    seconds: float | None
    error: str = ""


def compare(
    function: Callable[..., Any],  # Any: of any function, as in what follows
    items: Sequence[Any],
    *,
    unpack: bool,
    rounds: int,
) -> list[Timing]:
    """Run all *items* each way, *rounds* times by turns.

    By turns, so that what else the machine does meanwhile meets all ways alike.
    """
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    errors: dict[str, str] = {}
    for _ in range(rounds):
        for way, executor in WAYS.items():
            if way in errors:
                continue
            began = perf_counter()
            try:
                execute(function, items, executor=executor, unpack=unpack)
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                errors[way] = class_and_text(error)
            else:
                found[way].append(perf_counter() - began)
    return [
        Timing(way, None, errors[way])
        if way in errors
        else Timing(way, sorted(found[way])[len(found[way]) // 2])
        for way in WAYS
    ]


def table(timings: Sequence[Timing]) -> str:
    """A line for each way, with a bar for its speed-up over the loop."""
    loop = next((each.seconds for each in timings if each.way == "loop"), None)
    return "\n".join(line(each, loop) for each in timings)


def line(timing: Timing, loop: float | None) -> str:
    if timing.seconds is None:
        return f"{timing.way:<10} {timing.error}"
    text = f"{timing.way:<10} {units.seconds(timing.seconds):>10}"
    if loop is None or not timing.seconds:
        return text
    times = loop / timing.seconds
    return f"{text}  {times:>6.2f} x  {'#' * max(1, min(40, round(8 * times)))}"
