"""Picklers that know more of large data than the standard ones do.

They take what libraries hold in a form that is quick to send, see `forms`, and note
whether code of the program's own has run, see `own_ways`. That takes some time for each
object that is not of a built-in type, so they are for tasks that are large.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from cotality.core.utils._process.pickling.own_ways import has_own_way

from .forms import RULES, Forms

if TYPE_CHECKING:
    from cotality.core.utils._process.pickling.by_value import Form

# Any: each has its own kind of object.
Rule: TypeAlias = Callable[[Forms, Any], "Form"]


class Noting:
    """What the two kinds of such picklers have in common.

    Attributes:
        rules: By type, what gives its objects another form; None where that is usual.
        forms: Those of the call.
        is_pure: Whether no code of the program's own has run.
    """

    rules: dict[type, Rule | None]
    forms: Forms
    is_pure = True

    def form_of(self, obj: object) -> Form:
        kind = type(obj)
        try:
            rule = self.rules[kind]
        except KeyError:
            rule = self.rules[kind] = rule_for(kind)
        if rule is None:
            return NotImplemented
        if rule is IMPURE:
            self.is_pure = False
            return NotImplemented
        return rule(self.forms, obj)


def rule_for(kind: type) -> Rule | None:
    if has_own_way(kind):
        return IMPURE
    name = f"{kind.__module__}.{kind.__qualname__}"
    return RULES.get(name)


def no_rule(_forms: object, _obj: object) -> Form:
    return NotImplemented


IMPURE: Rule = no_rule  # stands for kinds with code of their own


class NotingPickler(Noting, pickle.Pickler):
    """Of the standard kind."""

    def reducer_override(self, obj: object) -> Form:
        return self.form_of(obj)


@cache
def noting_by_value() -> Any:  # Any: cloudpickle has no types
    """The same for what no worker can import; imported when it is first needed."""
    from cotality.core.utils._process.pickling.by_value import pickler_by_value

    by_value = pickler_by_value()

    class NotingByValue(Noting, by_value):  # type: ignore[misc,valid-type]  # as above
        def reducer_override(self, obj: object) -> Form:
            form = self.form_of(obj)
            if form is NotImplemented:
                return by_value.reducer_override(self, obj)
            return form

    return NotingByValue
