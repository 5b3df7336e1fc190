"""Explains in words why an object cannot be pickled, and where the cause is."""

from __future__ import annotations

from collections.abc import Iterator

from cotality._kit.public import public
from cotality._kit.records import NamedTuple
from cotality._kit.safe_text import on_one_line
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.probe import new_probe, obstacle

from .parts import Part, parts
from .path_text import Reached, or_else, path_to

# Far more than a pickler can take. It ends the search in objects without end, whose
# __reduce__ makes a new object of the same kind each time.
DEEPEST = 20_000  # levels
SHOWN_ERROR = 200  # characters


@public
def explain_unpicklable(obj: object, *, plain: bool = False) -> str | None:
    """Say what keeps *obj* from being sent to a worker process, and where it is.

    ``"['config'].lock is a _thread.lock"`` says that ``obj['config'].lock`` cannot be
    pickled. ``"it is a _thread.lock"`` says so of *obj* itself. A place that no
    expression leads to is described in words: ``"closure variable 'connection' is a
    sqlite3.Connection"``. If the object raised an error of its own, the text has that
    too.

    It never raises, except for a `KeyboardInterrupt`. If *obj* can be pickled, it takes
    as long as `is_picklable`, otherwise up to four times as long: 0.2 s for a lock
    after a million numbers, 1.5 s after a million small dicts, 20 s after a million
    instances (measured on a busy 2-core Linux machine with Python 3.11).

    Args:
        obj: Any object.
        plain: As for `is_picklable`.

    Returns:
        None if `is_picklable` is true of *obj*. If several objects in it cannot be
        pickled, the text is about one of them.
    """
    return explanation(obj, "", plain=plain)


def path_of_unpicklable(obj: object, root: str, *, plain: bool = False) -> str:
    """The same with a name for *obj*: ``arguments['config'].lock is a _thread.lock``.

    For messages about something whose pickling has failed; it never raises either.
    """
    text = explanation(obj, root, plain=plain)
    return text or f"{root} could be pickled when it was looked at again"


def explanation(obj: object, root: str, *, plain: bool) -> str | None:
    try:
        reason = obstacle(obj, reason_of, plain=plain)
        return reason and sentence(Search(obj, plain=plain), reason, root)
    except BaseException as raised:
        # Such as a RecursionError when the stack was full before.
        if is_of_a_signal(raised):
            raise
        return f"{root or 'it'} cannot be pickled"


def sentence(search: Search, reason: Reason, root: str) -> str:
    found = search.culprit()
    if found is None and reason.is_depth:
        return f"{path_to(search.deepest, root)} is nested too deeply to be pickled"
    place, reason = found or (search.root, reason)
    return f"{path_to(place, root)} is {described(place.thing, reason)}"


class Reason(NamedTuple):
    """What an error says, without the frames that it holds on to."""

    error: str
    text: str
    is_depth: bool


def reason_of(error: BaseException) -> Reason:
    # cloudpickle raises a PicklingError from the RecursionError.
    told = error.__cause__ if isinstance(error.__cause__, RecursionError) else error
    return Reason(
        or_else(lambda: type(told).__name__, "an error"),
        or_else(lambda: on_one_line(str(told), SHOWN_ERROR), ""),
        isinstance(told, RecursionError),
    )


class Search:
    """The search for the part of an object that cannot be pickled.

    Depth first, with a stack of its own, so that neither cycles nor depth bring it
    down.
    """

    def __init__(self, obj: object, *, plain: bool) -> None:
        self.plain = plain
        self.probe = new_probe(plain=plain)
        self.probe.looks_inside = True
        self.root = self.deepest = Reached(obj)
        # Places that have been come to, each with the parts not looked at yet.
        self.stack = [(self.root, parts(obj, self.probe))]
        # By identity, and kept alive: much of what is seen is made by __reduce__, and
        # another object could come to have its identity.
        self.seen: dict[int, object] = {id(obj): obj}

    def culprit(self) -> tuple[Reached, Reason] | None:
        """Where it is, and why; None if no part stands out."""
        while self.stack and self.deepest.depth < DEEPEST:
            place, rest = self.stack[-1]
            part, has_failed = self.next_unseen(rest)
            if has_failed:
                # The pickler's own error tells more. None: what has no parts to look
                # at, such as a function that is pickled by its name.
                reason = obstacle(place.thing, reason_of, plain=self.plain)
                if reason is not None:
                    return place, reason
            self.go_on(place, part)
        return None

    def next_unseen(self, rest: Iterator[Part]) -> tuple[Part | None, bool]:
        """The next part not seen before, and whether asking for it has failed."""
        try:
            for part in rest:
                if id(part[1]) not in self.seen:
                    self.seen[id(part[1])] = part[1]
                    return part, False
        except BaseException as raised:
            # Kept nowhere, as its frames would keep the object.
            if is_of_a_signal(raised):
                raise
            return None, True
        return None, False

    def go_on(self, place: Reached, part: Part | None) -> None:
        """Down into *part*, or back up when *place* has no more."""
        if part is None:
            self.stack.pop()
            return
        step, thing = part
        below = Reached(thing, place, step, place.depth + 1)
        if below.depth > self.deepest.depth:
            self.deepest = below
        self.stack.append((below, parts(thing, self.probe)))


def described(thing: object, reason: Reason) -> str:
    """``a _thread.lock``, and what it raised if that says more than that."""
    name = or_else(lambda: full_name(type(thing)), "object")
    article = "an" if name.lstrip("_")[:1].lower() in set("aeiou") else "a"
    text = reason.text
    if text.startswith("cannot pickle ") and name.rpartition(".")[2] in text:
        return f"{article} {name}"
    raised = f"{reason.error}: {text}" if text else reason.error
    return f"{article} {name}, and pickling it raised {raised}"


def full_name(kind: type) -> str:
    name = kind.__qualname__
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"
