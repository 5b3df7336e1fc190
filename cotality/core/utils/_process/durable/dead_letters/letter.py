"""A letter: what the file keeps of a task that failed for good."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, cast

from cotality._kit.public import public
from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import class_and_text, printable
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.durable.files.errors import DeadLetterError
from cotality.core.utils._process.tasks.errors import RemoteTaskError
from cotality.core.utils._process.tasks.task import Task

DIGEST = 8  # bytes
SHOWN_ERROR = 100  # characters


@public
@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed for good: what it was, and what was wrong with it.

    Attributes:
        key: The key of the task: the one that a journal would give it, if it has one.
        call: The call, shortened to one line.
        arguments: Each argument, shortened; those given by position have a number.
        error: The class of the last exception; empty if only its text was given.
        message: Its text.
        traceback: Its traceback as text, with the causes.
        attempts: How often the task ran in its last call.
        times: How often it has failed for good.
        first_failed_at: When it first failed for good, in seconds since the epoch.
        failed_at: When it last failed for good, in seconds since the epoch.
        worker: Which worker ran it last.
        python: The version of Python that wrote the letter.
        unpicklable: Why the task cannot be run from the letter; usually empty.
        retries: How often it was run again from the file, since it was last added by
            something else.
        metadata: What the program that added it has said about it.
        needs_function: Whether the letter holds only an item, without the function that
            failed with it.
    """

    key: str
    call: str
    arguments: dict[str, str]
    error: str
    message: str
    traceback: str
    attempts: int
    times: int
    first_failed_at: float
    failed_at: float
    worker: str
    python: str
    unpicklable: str
    packed: str  # the task, pickled, in base 64
    digest: str
    retries: int = 0
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])  # Any: as JSON
    needs_function: bool = False

    def __repr__(self) -> str:
        what = self.error or self.message[:SHOWN_ERROR]
        return printable(f"<DeadLetter {self.key}: {self.call}: {what}>")

    def task(
        self,
        function: Callable[..., Any] | None = None,
    ) -> Task[Any]:  # Any: nobody knows any more what it returns
        """The task, to be run again.

        Unpickling it can run any code. So use only files to which only you can write.

        Args:
            function: What to call if the letter was kept without a function.

        Raises:
            DeadLetterError: The task was not kept, or cannot be unpickled here.
        """
        if not self.packed:
            raise DeadLetterError(
                f"{self.call} cannot be run again, because it could not be kept: "
                f"{self.unpicklable}"
            )
        if self.needs_function and function is None:
            raise DeadLetterError(
                f"{self.call} was kept without the function that failed: give that to "
                f"the queue, queue.retry(function)"
            )
        from base64 import b64decode
        from platform import python_version

        try:
            data = b64decode(self.packed, validate=True)
        except ValueError:
            data = b""
        if digest_of(data) != self.digest:
            raise DeadLetterError(
                f"{self.call} cannot be run again: its bytes have changed"
            )
        try:
            kept, positional, named, label, *limit = pickle.loads(data)
            call = function if self.needs_function and function else kept
            timeout = limit[0] if limit else None
            return Task(
                call, named, positional=positional, label=label, timeout=timeout
            )
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise DeadLetterError(
                f"{self.call} cannot be run again here: unpickling it raised "
                f"{class_and_text(error)} (it was kept by Python {self.python}, this "
                f"is {python_version()})"
            ) from error

    def as_error(self) -> RemoteTaskError:
        """The failure as an exception, to be shown, reported or raised.

        Its traceback has the frames of the last failure. Its class is not that of the
        original, because the letter has only the name of that class.
        """
        from cotality.core.utils._process.tasks.frames_of_text import (
            frames_of_last_error,
        )

        words = ": ".join(each for each in (self.error, self.message) if each)
        error = RemoteTaskError(words)
        error.type_name = self.error
        error.traceback_text = self.traceback
        return error.with_traceback(frames_of_last_error(self.traceback, words))

    def fields(self) -> dict[str, Any]:  # Any: what JSON can hold
        return {each.name: getattr(self, each.name) for each in fields(self)}


TEXTS = (
    *("key", "call", "error", "message", "traceback", "worker", "python"),
    *("unpicklable", "packed", "digest"),
)
COUNTS = "attempts", "times", "retries"
TIMES = "first_failed_at", "failed_at"
LARGEST = 1 << 40  # s; also refuses nan and infinity


def letter_from(given: dict[str, Any]) -> DeadLetter | None:  # Any: as above
    """The letter that a record holds; None if it holds none."""
    try:
        letter = DeadLetter(
            **{
                each.name: given[each.name]
                for each in fields(DeadLetter)
                # Older files do not have what has come later.
                if each.name in given or not has_default(each)
            }
        )
    except KeyError:
        return None
    return letter if is_sensible(letter) else None


def has_default(of: Field[Any]) -> bool:  # Any: of any type
    return of.default is not MISSING or of.default_factory is not MISSING


def is_sensible(letter: DeadLetter) -> bool:
    """Whether all that *letter* says is of the types that it has to be."""
    given = letter.fields()
    arguments: dict[object, object] = given["arguments"]
    return (
        all(type(given[name]) is str for name in TEXTS)
        and all(type(given[name]) is int and given[name] >= 0 for name in COUNTS)
        and all(is_time(given[name]) for name in TIMES)
        and type(given["needs_function"]) is bool
        and type(given["metadata"]) is dict
        and type(arguments) is dict
        and all(type(text) is str for text in arguments.values())
    )


def is_time(value: object) -> bool:
    return type(value) in (int, float) and abs(cast("float", value)) < LARGEST


def digest_of(data: bytes) -> str:
    from hashlib import blake2b

    return blake2b(data, digest_size=DIGEST).hexdigest()
