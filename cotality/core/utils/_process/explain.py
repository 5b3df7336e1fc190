"""The message that explains why an object cannot be pickled, and where the cause is."""

from __future__ import annotations

from collections.abc import Iterator

from .anatomy import Part, parts
from .paths import Place, path_to
from .pickling import new_probe, obstacle
from .public import public

# Far more than a pickler can take. It ends the search in objects without end, whose
# __reduce__ makes a new object of the same kind each time.
DEEPEST = 20_000  # levels
SHOWN_ERROR = 200  # characters


@public
def explain_unpicklable(obj: object, *, plain: bool = False) -> str | None:
    """What keeps *obj* from being sent to a worker process, and where it is.

    ``"['config'].lock is a _thread.lock"`` says that ``obj['config'].lock`` cannot be
    pickled. ``"it is a _thread.lock"`` says so of *obj* itself. Where there is no
    expression, there are words: ``"closure variable 'connection' is a
    sqlite3.Connection"``. An object that fails in a way of its own comes with what it
    raised.

    It never raises, except for a `KeyboardInterrupt`. It takes as long as pickling
    *obj* when all is well, and otherwise up to a hundred times as long: one second
    for a million objects or so.

    Args:
        obj: Any object.
        plain: As for `is_picklable`.

    Returns:
        None if `is_picklable` is true of *obj*. When several things in it cannot be
        pickled, the text is about one of them.
    """
    error = obstacle(obj, plain=plain)
    return None if error is None else explanation(obj, error, None, plain=plain)


def path_of_unpicklable(obj: object, root: str, *, plain: bool = False) -> str:
    """The same with a name for *obj*: ``arguments['config'].lock is a _thread.lock``.

    For messages about something whose pickling has failed; it never raises either.
    """
    error = obstacle(obj, plain=plain)
    if error is None:
        return f"{root} could be pickled when it was looked at again"
    return explanation(obj, error, root, plain=plain)


def explanation(
    obj: object, error: BaseException, root: str | None, *, plain: bool
) -> str:
    try:
        search = Search(obj, plain=plain)
        found = search.culprit()
        if found is None and is_about_depth(error):
            deep = path_to(nearest_owner(search.deepest), root)
            return f"{deep} is nested too deeply to be pickled"
        place, reason = found or (search.root, error)
        return f"{path_to(place, root)} is {described(place.thing, reason)}"
    except KeyboardInterrupt:
        raise  # the user's
    except BaseException:  # such as a SystemExit out of some __repr__
        return f"{root or 'it'} is {described(obj, error)}"


class Search:
    """The search for the part of an object that cannot be pickled.

    Depth first, with a stack of its own, so that neither cycles nor depth bring it
    down.
    """

    def __init__(self, obj: object, *, plain: bool) -> None:
        self.plain = plain
        self.probe = new_probe(plain=plain)
        self.root = self.deepest = Place(obj)
        # Places that have been come to, each with the parts not looked at yet.
        self.stack = [(self.root, parts(obj, self.probe))]
        # By identity, and kept alive: much of what is seen is made by __reduce__, and
        # another object could come to have its identity.
        self.seen: dict[int, object] = {id(obj): obj}

    def culprit(self) -> tuple[Place, BaseException] | None:
        """Where it is, and what pickling it raises; None if no part stands out."""
        while self.stack and self.deepest.depth < DEEPEST:
            place, rest = self.stack[-1]
            try:
                part = self.next_unseen(rest)
            except KeyboardInterrupt:
                raise  # the user's
            except BaseException:  # the pickler's own error tells more
                error = obstacle(place.thing, plain=self.plain)
                if error is not None:
                    return place, error
                part = None  # it has no parts, and it can be pickled
            self.go_on(place, part)
        return None

    def next_unseen(self, rest: Iterator[Part]) -> Part | None:
        for part in rest:
            if id(part[1]) not in self.seen:
                self.seen[id(part[1])] = part[1]
                return part
        return None

    def go_on(self, place: Place, part: Part | None) -> None:
        """Down into *part*, or back up when *place* has no more."""
        if part is None:
            self.stack.pop()
            return
        step, thing = part
        below = Place(thing, place, step, place.depth + 1)
        if below.depth > self.deepest.depth:
            self.deepest = below
        self.stack.append((below, parts(thing, self.probe)))


def is_about_depth(error: BaseException) -> bool:
    # cloudpickle raises a PicklingError from the RecursionError.
    return isinstance(error, RecursionError) or isinstance(
        error.__cause__, RecursionError
    )


def nearest_owner(place: Place) -> Place:
    """The object that *place* is the reduced form of, if it is one."""
    while place.step.kind == "reduced" and place.parent is not None:
        place = place.parent
    return place


def described(thing: object, error: BaseException) -> str:
    """``a _thread.lock``, and what it raised if that says more than that."""
    kind = type(thing)
    name = full_name(kind)
    article = "an" if name.lstrip("_")[:1].lower() in set("aeiou") else "a"
    text = text_of(error)
    if text.startswith("cannot pickle ") and kind.__name__ in text:
        return f"{article} {name}"
    raised = type(error).__name__ + (f": {text}" if text else "")
    return f"{article} {name}, and pickling it raised {raised}"


def full_name(kind: type) -> str:
    try:
        module, name = kind.__module__, kind.__qualname__
        return name if module == "builtins" else f"{module}.{name}"
    except Exception:  # a metaclass may do as it likes
        return "type of its own kind"


def text_of(error: BaseException) -> str:
    try:
        return shortened_text(" ".join(str(error).split()))
    except Exception:
        return ""


def shortened_text(text: str) -> str:
    return text if len(text) <= SHOWN_ERROR else text[: SHOWN_ERROR - 3] + "..."
