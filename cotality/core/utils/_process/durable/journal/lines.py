"""How the events of a run are written in its journal.

One JSON object a line, ``event`` first. Times are seconds since the epoch.

* ``run``: a run begins, where and with how many workers;
* ``started``: these tasks are handed out, several tiny ones in one line; ``again``
  names those that an earlier run had started and not finished;
* ``returned``: these tasks were handed back, and did not run;
* ``retry``: an attempt has failed, and there will be another;
* ``finished``, ``failed``: a task is done with, for good;
* ``end``: the run is over.

Lines for tiny tasks are formatted by hand, because `json.dumps` takes three times as
long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from json.encoder import (
    encode_basestring_ascii as quoted,  # pyright: ignore[reportUnknownVariableType]  # typeshed
)
from operator import sub

from cotality._kit.safe_text import text_of
from cotality.core.utils._process.durable.files.append import compact
from cotality.core.utils._process.tasks.outcome import Details
from cotality.core.utils._process.tasks.task import describe
from cotality.core.utils._process.tasks.times import EPOCH, Timing

from .results import Places

SHOWN_MESSAGE = 1000  # characters of an error
SHOWN_TRACEBACK = 10_000


def escaped(keys: Sequence[str]) -> Sequence[str]:
    """*keys*, among which there are labels, as they stand between quotes."""
    return [quoted(key)[1:-1] for key in keys]


def list_of(keys: Sequence[str]) -> str:
    inside = '","'.join(keys)
    return f'["{inside}"]'


def started(
    keys: Sequence[str], at: float, attempt: int, again: Sequence[str], call: str
) -> str:
    """These tasks are about to be handed out.

    Args:
        keys: As in all of these functions `escaped`, if some are labels.
        call: What a single one of them calls, if that is to be said.
    """
    more = f',"again":{list_of(again)}' if again else ""
    return (
        f'{{"event":"started","at":{at:.6f},"attempt":{attempt},'
        f'"keys":{list_of(keys)}{more}{calling(call)}}}\n'
    )


def calling(call: str) -> str:
    return f',"call":{quoted(call)}' if call else ""


def returned(keys: Sequence[str]) -> str:
    return f'{{"event":"returned","keys":{list_of(keys)}}}\n'


def finished(
    keys: Sequence[str], places: Places, details: Details, calls: Mapping[int, str]
) -> str:
    """Several tasks have returned that ran one after the other.

    Args:
        places: For each where its result is, or why it is nowhere.
        calls: What some of them have called, by their positions.
    """
    tail = tail_of(details)
    times = details.times
    # Some of them never ran, or have more to say.
    if len(times) < len(keys) or not times.is_complete or calls:
        each = zip_longest(keys, times, places.texts())
        return "".join(
            f'{{"event":"finished","key":"{key}"{when(timing)}{place}{tail}'
            f"{calling(calls.get(position, ''))}}}\n"
            for position, (key, timing, place) in enumerate(each)
        )
    # One line after the other takes twice as long as all at once. So does a time of day
    # as a float; but most tasks of a portion begin within the same second.
    whole = int(times.began[0] + EPOCH)
    last = times.began[-1] + EPOCH - whole
    since, at = (EPOCH - whole, f"{whole}.%06d") if 0 <= last < 1 else (EPOCH, "%.6f")
    unit = 1e6 if 0 <= last < 1 else 1.0
    columns = (
        keys,
        [(began + since) * unit for began in times.began],
        map(sub, times.ended, times.began),
        *places.columns,
    )
    line = (
        f'{{"event":"finished","key":"%s","at":{at},"seconds":%.6f{places.template}'
        f"{tail.replace('%', '%%')}}}\n"
    )
    rows = zip(*columns, strict=True)
    return line * len(keys) % tuple(chain.from_iterable(rows))


def failed(
    key: str,
    place: str,
    details: Details,
    position: int,
    error: Exception,
) -> str:
    """The task at *position* has failed for good."""
    from cotality._kit.traceback_text import traceback_text_of  # only failures need it
    from cotality.core.utils._process.tasks.frames_of_text import shortened_traceback

    timing = details.times.get(position)
    more: dict[str, object] = {
        "call": describe(details.tasks[position]),
        "error": type(error).__qualname__,
        "message": text_of(error)[:SHOWN_MESSAGE],
        "traceback": shortened_traceback(traceback_text_of(error), SHOWN_TRACEBACK),
    }
    return (
        f'{{"event":"failed","key":"{key}"{when(timing)}{place}{tail_of(details)},'
        f"{compact(more)[1:]}\n"
    )


def tail_of(details: Details) -> str:
    """What the lines of tasks that ran one after the other have in common."""
    worker = f',"worker":{quoted(details.worker)}' if details.worker else ""
    memory = f',"memory":{details.peak_memory}' if details.peak_memory else ""
    return f',"attempt":{details.attempt}{worker}{memory}'


def when(timing: Timing | None) -> str:
    if timing is None:
        return ""
    return f',"at":{timing.started + EPOCH:.6f},"seconds":{timing.seconds:.6f}'


def unkept(reason: str) -> str:
    """Why a result is nowhere."""
    return f',"unkept":{quoted(reason)}'
