"""How the context variables that a call names reach worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.tasks.not_picklable import TaskNotPicklableError

from .encode import decode, encode

if TYPE_CHECKING:
    from .context_variables import Variable


class PackedContext:
    """Values of variables, each packed by itself."""

    def __init__(self, values: list[tuple[Variable, bytes]]) -> None:
        self.values = values

    def load(self) -> list[tuple[Variable, object]]:
        return [(variable, decode(packed)) for variable, packed in self.values]


def captured(variables: Sequence[Variable]) -> bytes:
    """Those of *variables* that are set here and now, with their values, packed.

    Raises:
        TaskNotPicklableError: A value cannot be sent to a process.
    """
    values: list[tuple[Variable, bytes]] = []
    for variable in variables:
        try:
            value = variable.get()
        except LookupError:
            continue  # not set, so there is nothing to see
        try:
            values.append((variable, encode(value)))
        except Exception as error:
            if is_of_a_signal(error):
                raise
            from .reasons.explain import path_of_unpicklable

            where = path_of_unpicklable(value, f"the value of {variable.name!r}")
            raise TaskNotPicklableError(
                f"the context cannot be sent to a process: {where} "
                f"({class_and_text(error)}). Leave the variable out of context=[...]."
            ) from error
    return encode(PackedContext(values))
