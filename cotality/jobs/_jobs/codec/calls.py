"""The arguments of a call as text, and its result; either is JSON, or a pickle.

A pickle is only ever read where the function itself was marked with
``codec="pickle"``: what stands in the store has no say in it.
"""

from __future__ import annotations

import base64
import inspect
import json
import pickle
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, cast

from cotality._kit.safe_text import class_and_text, shortened
from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.errors.errors import NotStorableError

from .hints import classes_in, hints_of
from .values import comes_back, packed, unpacked

Codec: TypeAlias = Literal["json", "pickle"]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # Any: arguments of any function


class CallCodec:
    """How calls of *function*, of the job *name*, are written down."""

    function: Callable[..., Any]  # Any: of any function
    name: str
    signature: inspect.Signature

    def __init__(self, function: Callable[..., Any], name: str, codec: Codec) -> None:
        if codec not in ("json", "pickle"):
            raise ValueError(f"codec must be 'json' or 'pickle', got {codec!r}")
        self.function, self.name, self.codec = function, name, codec
        self.signature = inspect.signature(function)
        self.made: dict[str, dict[str, type]] | None = None

    @property
    def classes(self) -> dict[str, dict[str, type]]:
        """What each parameter may be made of; read late, when all is defined."""
        if self.made is None:
            hints = hints_of(self.function)
            self.made = {name: classes_in(hint) for name, hint in hints.items()}
        return self.made

    def arguments_text(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The arguments, checked against the signature.

        Raises:
            TypeError: They do not fit the function.
            NotStorableError: One of them cannot be stored; the text names it.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        if self.codec == "pickle":
            return self.pickled((bound.args, bound.kwargs), "an argument")
        given: dict[str, Any] = {}  # Any: JSON
        for name, value in bound.arguments.items():
            given[name] = self.packed_argument(name, value)
        return json.dumps(given)

    def packed_argument(self, name: str, value: object) -> Any:  # Any: JSON
        try:
            return self.packed_again(value, self.classes.get(name, {}))
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise NotStorableError(
                f"argument {name!r} of {self.name} cannot be stored: {text_of(error)}. "
                f"Pass what it can be made from, or mark the job with codec='pickle'"
            ) from error

    def packed_again(
        self, value: object, classes: Mapping[str, type]
    ) -> Any:  # Any: JSON
        """What *value* is packed into; a value that does not come back is told now."""
        text = packed(value, classes)
        if not comes_back(value, text, classes):
            raise NotStorableError(
                f"{shortened(value, 80)} would not come back as it is: its class keeps "
                f"some of it to itself, or computes what it is given"
            )
        return text

    def pickled(self, value: object, what: str) -> str:
        import cloudpickle

        dump: Any = vars(cloudpickle)["dumps"]  # Any: it has no types
        try:
            data: bytes = dump(value)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise NotStorableError(
                f"{what} of {self.name} cannot be pickled: {class_and_text(error)}"
            ) from error
        return json.dumps({"$pickle": base64.b64encode(data).decode()})

    def unpickled(self, text: str) -> Any:  # Any: what was pickled
        return pickle.loads(base64.b64decode(json.loads(text)["$pickle"]))

    def arguments_of(self, text: str) -> Arguments:
        """What `arguments_text` was given.

        Raises:
            NotStorableError: That is not possible; the text says why.
        """
        try:
            if self.codec == "pickle":
                return cast("Arguments", self.unpickled(text))
            given: dict[str, Any] = json.loads(text)  # Any: JSON
            return self.bound_again(
                {
                    name: unpacked(value, self.classes.get(name, {}))
                    for name, value in given.items()
                }
            )
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise NotStorableError(
                f"the arguments of {self.name} cannot be read: {text_of(error)}. They "
                f"are {shortened(text, 200)}"
            ) from error

    def bound_again(self, values: dict[str, Any]) -> Arguments:  # Any: of any function
        bound = inspect.BoundArguments(self.signature, cast("Any", {}))  # Any: ordered
        unknown = values.keys() - self.signature.parameters.keys()
        if unknown:
            names = ", ".join(sorted(unknown))
            raise NotStorableError(f"it has no parameter {names} any more")
        for name in self.signature.parameters:
            if name in values:
                bound.arguments[name] = values[name]
        again = self.signature.bind(*bound.args, **bound.kwargs)
        if again.arguments.keys() != values.keys():
            # A new parameter before `*rest` would have it passed by name, to `**more`.
            raise NotStorableError("its parameters take them in another way now")
        return bound.args, bound.kwargs

    def result_text(self, value: object) -> str:
        """What the function has returned.

        Raises:
            NotStorableError: It cannot be stored.
        """
        if self.codec == "pickle":
            return self.pickled(value, "the result")
        try:
            return json.dumps(self.packed_again(value, self.classes.get("return", {})))
        except Exception as error:
            if is_of_a_signal(error):
                raise
            raise NotStorableError(
                f"the result of {self.name} cannot be stored: {text_of(error)}. Return "
                f"what others need of it, or None"
            ) from error

    def result_of(self, text: str) -> Any:  # Any: what the function returns
        if self.codec == "pickle":
            return self.unpickled(text)
        return unpacked(json.loads(text), self.classes.get("return", {}))


def text_of(error: Exception) -> str:
    return f"{error}" if isinstance(error, NotStorableError) else class_and_text(error)


def plain_result(text: str) -> Any:  # Any: what it was, as far as JSON tells
    """A result whose function nobody knows here."""
    return unpacked(json.loads(text), {})
