"""Runs dead letters again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from cotality._kit.public import public
from cotality._kit.safe_text import printable
from cotality.core.utils._process.durable.dead_letters.dead_letters import DeadLetters
from cotality.core.utils._process.durable.dead_letters.letter import DeadLetter
from cotality.core.utils._process.durable.files.errors import (
    DeadLetterError,
    JournalInUseError,
    Kind,
)
from cotality.core.utils._process.engine.arrivals import driven
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.outcome import Outcome
from cotality.core.utils._process.tasks.task import Task

from .call import Call
from .face import REPLAYS
from .options.declared import Options, takes_options_without

if TYPE_CHECKING:
    from cotality.core.utils._process.durable.dead_letters.store import Store
    from cotality.core.utils._process.durable.files.append import RecordFile

MARK = Kind("mark of a replay", DeadLetterError)
logger = logging.getLogger(LOGGER)


@public
@takes_options_without("dead_letters")
def replay(
    path: str | os.PathLike[str] | DeadLetters,
    *,
    keys: Iterable[str] | None = None,
    max_workers: int | None = None,
    use_processes: bool = False,
    **options: Unpack[Options],
) -> list[Outcome[Any]]:  # Any: nobody knows any more what the tasks return
    """Run again the tasks that a file of dead letters keeps.

    A task that succeeds leaves the file at once; a task that fails stays with its new
    error. If a task or its process is killed, the task stays as it was: it may already
    have had its effect, and can be run once more.

    Args:
        path: The file, or the `DeadLetters` with their limits.
        keys: Which tasks; None takes all.
        max_workers: As for :func:`execute_tasks_in_parallel`.
        use_processes: Likewise.
        **options: Likewise, see `Options`, except for ``dead_letters``.

    Returns:
        An outcome for each task that was run, in the order of the file. A task that
        cannot be unpickled here is not run and stays in the file; a warning says so.

    Raises:
        KeyError: There is no letter with one of the *keys*.
        JournalInUseError: They are being replayed already.
        DeadLetterError: The file cannot be read or written.
        ValueError: *options* have ``dead_letters``.
    """
    letters = path if isinstance(path, DeadLetters) else DeadLetters(path)
    return replay_some(
        letters,
        lambda: chosen(letters, keys),
        max_workers,
        use_processes,
        options,
    )


def replay_some(
    letters: DeadLetters,
    choose: Callable[[], list[DeadLetter]],
    max_workers: int | None,
    use_processes: bool,
    options: Options,
    function: Callable[..., object] | None = None,
) -> list[Outcome[Any]]:  # Any: as above
    """Run those letters again that *choose* gives while nobody else replays any.

    Args:
        function: What to call for those that were kept without a function.
    """
    ended = replayed(letters, choose, max_workers, use_processes, options, function)
    return [outcome for _, outcome in ended]


def replay_chosen(
    letters: DeadLetters,
    keys: Iterable[str] | None,
    choose: Callable[[list[DeadLetter]], list[DeadLetter]],
    max_workers: int | None,
    use_processes: bool,
    options: Options,
    function: Callable[..., object] | None = None,
) -> list[Outcome[Any]]:  # Any: as above
    """Run those letters with *keys* again that *choose* takes out of them.

    It is asked when nobody else replays any, so that what it sees stays true.

    Args:
        keys: None for all letters.
        function: As for `replay_some`.

    Raises:
        KeyError: There is no letter with one of the *keys*.
        Exception: As from :func:`replay`.
    """
    return replay_some(
        letters,
        lambda: choose(chosen(letters, keys)),
        max_workers,
        use_processes,
        options,
        function,
    )


def replayed(
    letters: DeadLetters,
    choose: Callable[[], list[DeadLetter]],
    max_workers: int | None,
    use_processes: bool,
    options: Options,
    function: Callable[..., object] | None = None,
) -> list[tuple[DeadLetter, Outcome[Any]]]:  # Any: as above
    """The same, with the letter of each outcome."""
    if options.pop("dead_letters", None) is not None:
        raise ValueError(
            "replay keeps what fails in the file it is from: no dead_letters="
        )
    call_for([], max_workers, use_processes, options)  # a mistake is one at any time
    if not letters.path.exists():
        return []
    marker = letters.path.with_name(f"{letters.path.name}.replaying")
    with closing(alone(marker, trust_others=letters.trust_others)):
        try:
            some = tasks_of(choose(), function)
            outcomes = run_again(
                letters.store(), some, max_workers, use_processes, options
            )
        finally:
            marker.unlink(missing_ok=True)
    return [(some[outcome.index][0], outcome) for outcome in outcomes]


def alone(marker: Path, *, trust_others: bool) -> RecordFile:
    """See that nobody else replays the same file: two would run each task twice."""
    from cotality.core.utils._process.durable.files.append import RecordFile

    try:
        return RecordFile(marker, MARK, skip_damaged=True, trust_others=trust_others)
    except JournalInUseError as error:
        raise JournalInUseError(
            f"the dead letters are being replayed by somebody else ({marker})"
        ) from error


def chosen(letters: DeadLetters, keys: Iterable[str] | None) -> list[DeadLetter]:
    there = letters.entries()
    if keys is None:
        return there
    by_key = {letter.key: letter for letter in there}
    return [by_key[key] for key in dict.fromkeys(keys)]


def tasks_of(
    letters: list[DeadLetter], function: Callable[..., object] | None
) -> list[tuple[DeadLetter, Task[Any]]]:  # Any: as above
    found: list[tuple[DeadLetter, Task[Any]]] = []
    for letter in letters:
        try:
            found.append((letter, letter.task(function)))
        except DeadLetterError as error:
            logger.warning("%s", printable(str(error)))
    return found


def run_again(
    store: Store,
    letters: list[tuple[DeadLetter, Task[Any]]],  # Any: as above
    max_workers: int | None,
    use_processes: bool,
    options: Options,
) -> list[Outcome[Any]]:
    tasks = [task for _, task in letters]
    call = call_for(tasks, max_workers, use_processes, options)
    from cotality.core.utils._process.durable.dead_letters.replayer import Replayer

    replayer = Replayer(store, [letter for letter, _ in letters])
    run = call.watched_by(replayer).blocking()
    portions = sorted(
        driven(run.settled(), run.arrivals), key=lambda portion: portion.start
    )
    run.conclude()
    return [outcome for portion in portions for outcome in portion.take_outcomes()]


def call_for(
    tasks: list[Task[Any]],  # Any: as above
    max_workers: int | None,
    use_processes: bool,
    options: Options,
) -> Call:
    return Call.checked(
        tasks,
        options,
        max_workers=max_workers,
        use_processes=use_processes,
        on_error="return",
        detailed=True,
        face=REPLAYS,
    )
