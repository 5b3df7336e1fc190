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


class Rules(dict[type, "Rule | None"]):
    """By type, what gives its objects another form; None where that is usual."""

    def __missing__(self, kind: type) -> Rule | None:
        rule = self[kind] = rule_for(kind)
        return rule


def rule_for(kind: type) -> Rule | None:
    if has_own_way(kind):
        return IMPURE
    return RULES.get(f"{kind.__module__}.{kind.__qualname__}")


def no_rule(_forms: object, _obj: object) -> Form:
    return NotImplemented


IMPURE: Rule = no_rule  # stands for kinds with code of their own


class Noting:
    """What the two kinds of such picklers have in common.

    Attributes:
        rules: Those of the call, as are the *forms*.
        is_pure: Whether no code of the program's own has run.
    """

    rules: Rules
    forms: Forms
    is_pure = True

    def form_of(self, rule: Rule, obj: object) -> Form:
        if rule is IMPURE:
            self.is_pure = False
        return rule(self.forms, obj)


class NotingPickler(Noting, pickle.Pickler):
    """Of the standard kind."""

    def reducer_override(self, obj: object) -> Form:
        rule = self.rules[type(obj)]
        return NotImplemented if rule is None else self.form_of(rule, obj)


@cache
def noting_by_value() -> Any:  # Any: cloudpickle has no types
    """The same for what no worker can import; imported when it is first needed."""
    from cotality.core.utils._process.pickling.by_value import pickler_by_value

    by_value = pickler_by_value()

    class NotingByValue(Noting, by_value):  # type: ignore[misc,valid-type]  # as above
        def reducer_override(self, obj: object) -> Form:
            rule = self.rules[type(obj)]
            form = NotImplemented if rule is None else self.form_of(rule, obj)
            if form is NotImplemented:
                return by_value.reducer_override(self, obj)
            return form

    return NotingByValue
