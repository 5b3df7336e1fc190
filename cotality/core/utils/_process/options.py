"""The keyword-only options that all execution functions share, declared once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from .checks import checked_count, checked_seconds

DEFAULT_GRACE = 5.0  # s


class Options(TypedDict, total=False):
    """What may be given by keyword to every execution function.

    Attributes:
        timeout: Seconds that one task may run; None, the default, sets no limit. What
            does not count: the time a task waits for a worker, and the time the worker
            takes to unpickle it, imports included. Only with processes.
        grace: Seconds that running tasks get to finish when the call ends early, after
            a failure or a `break`, before their workers are killed; 5 by default, None
            waits as long as it takes. Ctrl-C gives none; one that falls into the body
            of a loop over a stream is, to the stream, a `break`. Threads cannot be
            killed and are always waited for.
        max_tasks_per_worker: Replace a worker process after so many tasks, for tasks
            that leak; None, the default, never does. Such a call starts workers of its
            own. Only with processes.
    """

    timeout: float | None
    grace: float | None
    max_tasks_per_worker: int | None


@dataclass(frozen=True, slots=True)
class Checked:
    """The options of one call, checked, with defaults filled in."""

    timeout: float | None = None
    grace: float | None = DEFAULT_GRACE
    max_tasks_per_worker: int | None = None


def checked_options(
    given: dict[str, Any], *, use_processes: bool
) -> Checked:  # Any: what a caller wrote
    """The options of a call.

    Raises:
        TypeError: An option that does not exist, or a value of the wrong type.
        ValueError: A value out of range, or an option that needs processes.
    """
    for name in given:
        if name not in Options.__annotations__:
            raise TypeError(unknown_option(name))
    options = Checked(
        timeout=checked_seconds("timeout", given.get("timeout"), zero=False),
        grace=checked_seconds("grace", given.get("grace", DEFAULT_GRACE), zero=True),
        max_tasks_per_worker=checked_count(
            "max_tasks_per_worker", given.get("max_tasks_per_worker")
        ),
    )
    if not use_processes:
        refuse_on_threads("timeout", options.timeout, "a thread cannot be stopped")
        refuse_on_threads(
            "max_tasks_per_worker", options.max_tasks_per_worker, "threads do not leak"
        )
    return options


def unknown_option(name: str) -> str:
    known = ", ".join(Options.__annotations__)
    close = difflib.get_close_matches(name, Options.__annotations__, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"there is no option {name!r}.{hint} The options are: {known}."


def refuse_on_threads(name: str, value: object, reason: str) -> None:
    if value is not None:
        raise ValueError(
            f"{name}={value!r} needs worker processes, because {reason}. "
            f"Add use_processes=True, or leave {name} out."
        )
