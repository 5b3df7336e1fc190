"""Arguments and results as JSON: what is read back is what was written, in type too."""

from __future__ import annotations

import enum
import json
import math
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotality.jobs import NotStorableError
from cotality.jobs._jobs.codec.calls import CallCodec

BERLIN = ZoneInfo("Europe/Berlin")


class Color(enum.Enum):
    RED = "r"


@dataclass(frozen=True)
class Line:
    name: str
    price: Decimal


@dataclass
class Order:
    lines: list[Line]
    color: Color
    note: str | None = None


class Pair(NamedTuple):
    first: int
    second: Line


def take(
    order: Order, *more: Pair, at: datetime | None = None, **rest: Any
) -> dict[str, Order]:
    return {"it": order}


def anything(value: Any = None) -> Any:
    return value


def codec(function: Callable[..., Any] = anything) -> CallCodec:
    return CallCodec(function, "f", "json")


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.sampled_from([UTC, BERLIN]) | st.none())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
)
keys = st.text() | st.integers() | st.dates()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner)
        | st.frozensets(scalars)
        | st.sets(st.integers())
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=50)
def test_what_python_has_comes_back_as_it_was(value: object) -> None:
    """Of any depth, and of the same types; the text is JSON."""
    text = codec().arguments_text((value,), {})

    (found,), _ = codec().arguments_of(text)

    assert json.loads(text)
    assert found == value
    assert kinds(found) == kinds(value)
    assert codec().result_of(codec().result_text(value)) == value


def kinds(value: Any) -> object:  # Any: of the strategy
    """The types in it; `True` equals 1, and a time another one that is folded."""
    if isinstance(value, dict):
        return [(kinds(key), kinds(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [kinds(each) for each in value]
    return type(value), getattr(value, "fold", None)


def test_objects_of_people_come_back_by_their_annotations() -> None:
    """Wherever they are in it: in lists, in each other, in what is optional."""
    order = Order([Line("a", Decimal("1.10"))], Color.RED)
    args = (order, Pair(1, Line("b", Decimal(2))), Pair(3, Line("c", Decimal(4))))
    kwargs = {"at": datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), "x": {1: 2}}
    made = codec(take)

    found, named = made.arguments_of(made.arguments_text(args, kwargs))

    assert found == args
    assert type(found[1]) is Pair
    assert named == kwargs
    assert named["at"].utcoffset() == timedelta(hours=1)
    assert made.result_of(made.result_text({"it": order})) == {"it": order}


def test_models_of_pydantic_are_made_again() -> None:
    """With the checks that they have."""
    models = pytest.importorskip("tests.jobs.models")
    made = codec(models.greet)
    user = models.User(name="Ada", born=date(1815, 12, 10))
    text = made.arguments_text((user,), {})

    assert made.arguments_of(text) == ((user,), {})
    assert made.result_of(made.result_text([user])) == [user]
    with pytest.raises(NotStorableError, match="ValidationError"):
        made.arguments_of(text.replace("1815-12-10", "soon"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (open, "is a builtin_function_or_method"),
        (Line("a", Decimal(1)), "is a Line, and no annotation says so"),
        (Color.RED, "is a Color, and no annotation says so"),
        ({"deep": [object()]}, "is a object, which is not stored"),
        (time(1, tzinfo=BERLIN), "a time zone that depends on the day"),
    ],
)
def test_what_cannot_be_stored_names_the_argument(value: object, message: str) -> None:
    """When it is enqueued, with the way out."""
    with pytest.raises(
        NotStorableError, match="argument 'value' of f cannot"
    ) as caught:
        codec().arguments_text((value,), {})

    assert message in str(caught.value)
    assert "codec='pickle'" in str(caught.value)


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Point(namedtuple("Point", "x y")):  # as people have it
    """A named tuple with methods, as they are often written."""


@dataclass
class Doubled:
    """Computes what it is given."""

    number: int

    def __post_init__(self) -> None:
        self.number *= 2


@dataclass
class Silent:
    """Does not say what it is made of, and has what is no number."""

    text: str = field(repr=False, compare=False)
    number: float = math.nan


def of_rights(value: Right) -> Point: ...  # type: ignore[empty-body]
def of_doubled(value: Doubled) -> Silent: ...  # type: ignore[empty-body]
def of_silent(value: Silent) -> None: ...


def test_flags_and_named_tuples_with_methods_come_back() -> None:
    """Several flags at once, too."""
    rights = codec(of_rights)
    text = rights.arguments_text((Right.READ | Right.WRITE,), {})
    assert rights.arguments_of(text) == ((Right.READ | Right.WRITE,), {})
    found = rights.result_of(rights.result_text(Point(1, 2)))
    assert (type(found), found) == (Point, (1, 2))


def test_what_would_not_come_back_is_told_at_once() -> None:
    """And not changed in silence; what only hides it from us comes back."""
    with pytest.raises(NotStorableError, match=r"'value' of f .* would not come back"):
        codec(of_doubled).arguments_text((Doubled(3),), {})
    with pytest.raises(NotStorableError, match="is a PureWindowsPath"):
        codec().arguments_text((PureWindowsPath("a"),), {})
    silent = codec(of_silent)
    (args, _) = silent.arguments_of(silent.arguments_text((Silent("it"),), {}))
    assert args[0].text == "it"
    assert math.isnan(args[0].number)


def test_models_that_keep_something_to_themselves_are_told() -> None:
    """A secret that is printed as stars is not stored as stars."""
    pydantic = pytest.importorskip("pydantic")
    from tests.jobs.models import Aliased, Login, login

    secret = codec(login)
    with pytest.raises(NotStorableError, match="would not come back"):
        secret.arguments_text((Login(password=pydantic.SecretStr("hunter2")),), {})
    aliased = codec(Aliased.echo)
    text = aliased.arguments_text((Aliased(theNumber=7),), {})
    assert aliased.arguments_of(text)[0] == (Aliased(theNumber=7),)


def test_what_has_no_end_is_refused() -> None:
    """A list that holds itself."""
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(NotStorableError, match="more than 100 levels"):
        codec().arguments_text((endless,), {})


def test_arguments_that_do_not_fit_are_a_type_error() -> None:
    """As if the function had been called."""
    with pytest.raises(TypeError, match="f: missing a required argument: 'order'"):
        codec(take).arguments_text((), {})


def test_numbers_that_json_has_not_come_back() -> None:
    """Infinity, and what is no number."""
    made = codec()
    (found,), _ = made.arguments_of(made.arguments_text(([math.inf, -math.inf],), {}))
    assert found == [math.inf, -math.inf]
    (nan,), _ = made.arguments_of(made.arguments_text((math.nan,), {}))
    assert math.isnan(nan)
    assert made.arguments_of(made.arguments_text((Path("/a"),), {}))[0] == (Path("/a"),)
    assert made.result_of(made.result_text(UUID(int=7))) == UUID(int=7)


def test_only_the_function_decides_about_pickles() -> None:
    """A store that holds one is not believed."""
    trusting = CallCodec(anything, "f", "pickle")
    text = trusting.arguments_text((lambda: 7,), {})

    (found,), _ = trusting.arguments_of(text)

    assert found() == 7
    assert trusting.result_of(trusting.result_text({1, 2})) == {1, 2}
    with pytest.raises(NotStorableError):
        codec().arguments_of(text)


def test_a_class_that_was_renamed_is_told() -> None:
    """It names what the annotations know."""
    text = '{"order": {"$of": "Purchase", "fields": {}}}'
    with pytest.raises(NotStorableError, match=r"holds a Purchase.*Color, Line, Order"):
        codec(take).arguments_of(text)


def test_parameters_that_take_them_in_another_way_are_told() -> None:
    """In place of a call that means something else, while a release is rolled out."""

    def before(first: int, *rest: int, **named: int) -> None: ...
    def after(first: int, new: int = 1, *rest: int, **named: int) -> None: ...

    text = codec(before).arguments_text((1, 2, 3), {"key": 4})
    with pytest.raises(NotStorableError, match="take them in another way now"):
        codec(after).arguments_of(text)
    text = codec(before).arguments_text((1,), {"key": 4})
    assert codec(after).arguments_of(text) == ((1,), {"key": 4})
