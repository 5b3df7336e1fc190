"""Our data classes and named tuples are those of the standard library, made later."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Thread
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

# Any in this module: classes that are made from texts.

STANDARD = """
from __future__ import annotations
from dataclasses import InitVar, KW_ONLY, dataclass, field
from typing import ClassVar, NamedTuple
"""
OURS = """
from __future__ import annotations
from typing import ClassVar
from cotality._kit.records import NamedTuple, dataclass, field
"""

FLAGS = ["frozen", "slots", "kw_only", "eq", "repr", "init"]
REQUIRED = ["{0}: int", "{0}: int = field()", "{0}: int = field(kw_only=True)"]
OPTIONAL = [
    "{0}: int = 5",
    "{0}: int = field(default=6)",
    "{0}: int = field(default=7, repr=False, compare=False)",
    "{0}: list[int] = field(default_factory=list)",
    "{0}: int = field(default=8, init=False)",
    "{0}: list[int] = field(default_factory=list, init=False)",
    "{0}: int = field(default=9, kw_only=True)",
    "{0}: ClassVar[int] = 10",
]
BODIES = ["", "def double(self): return 2", "def __repr__(self): return 'mine'"]
HOOKS = ["", "def __post_init__(self): object.__setattr__(self, 'a', -1)"]


@st.composite
def data_classes(draw: st.DrawFn) -> str:
    """A base class, or two, and how it is written."""
    frozen = draw(st.booleans())
    texts: list[str] = []
    for number in range(draw(st.integers(1, 2))):
        flags = dict.fromkeys(draw(st.sets(st.sampled_from(FLAGS[1:3]))), True)
        flags |= dict.fromkeys(draw(st.sets(st.sampled_from(FLAGS[3:]))), False)
        flags["frozen"] = frozen
        first = ["a: int"] if number == 0 else []
        needed = draw(st.lists(st.sampled_from(REQUIRED), max_size=2 - 2 * number))
        others = draw(st.lists(st.sampled_from(OPTIONAL), max_size=3))
        fields = [
            *first,
            *(each.format(f"r{number}{at}") for at, each in enumerate(needed)),
            *(["_: KW_ONLY"] if draw(st.booleans()) else []),
            *(each.format(f"o{number}{at}") for at, each in enumerate(others)),
        ]
        body = [*fields, draw(st.sampled_from(BODIES)), draw(st.sampled_from(HOOKS))]
        said = ", ".join(f"{flag}={value}" for flag, value in flags.items())
        texts += [
            f"@dataclass({said})",
            f"class C{number}{f'(C{number - 1})' if number else ''}:",
            *(f"    {line}" for line in [*body, "pass"]),
        ]
    text = "\n".join(texts)
    # An object of a class that is derived from one with slots would not have it.
    return text.replace("8, init=False", "8") if "slots" in text else text


@contextmanager
def module_of(text: str) -> Iterator[ModuleType]:
    """A module that is *text*, and can be found, as pickles want."""
    module = ModuleType("made_for_a_test")
    sys.modules[module.__name__] = module
    try:
        exec(text, vars(module))
        yield module
    finally:
        del sys.modules[module.__name__]


def outcome(call: Callable[[], Any]) -> Any:
    """What it returns, or which exception it raises, and with what text."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error).replace("C0.__init__", "__init__")


def parameters_of(kind: Any) -> list[tuple[str, Any, str]]:
    found = inspect.signature(kind).parameters.values()
    return [(each.name, each.kind, repr(each.default)) for each in found]


def told_of(module: Any) -> list[Any]:
    """What the last class in it does, in plain values."""
    kind = getattr(module, "C1", None) or module.C0
    parameters = parameters_of(kind)
    by_name = {name: at for at, (name, *_) in enumerate(parameters)}

    def made(**changes: Any) -> Any:
        return kind(**{**by_name, **changes})

    def state(thing: Any) -> list[Any]:
        return [getattr(thing, each.name, "none") for each in dataclasses.fields(kind)]

    def set_first() -> list[Any]:
        thing = made()
        thing.a = 99
        del thing.a
        return state(thing)

    one = outcome(made)
    told: list[Any] = [
        *(parameters, kind.__match_args__, kind.__name__, kind.__qualname__),
        outcome(lambda: kind("too", "many", *range(20))),
        outcome(lambda: kind() is None),
        [(each.name, each.type, each.kw_only) for each in dataclasses.fields(kind)],
        [vars(kind).get("__slots__"), hasattr(kind, "__dict__")],
    ]
    if isinstance(one, tuple):
        return [*told, one]
    other = dataclasses.fields(kind)[-1].name
    asked: list[Callable[[], Any]] = [
        *(lambda: state(one), lambda: repr(one).replace(hex(id(one)), "here")),
        *(lambda: one == made(), lambda: one == made(a=-5), lambda: one == 3),
        *(lambda: hash(one) == hash(made()), set_first),
        lambda: state(dataclasses.replace(one, a=3)),
        # With which error differs: the standard one once had a defect there.
        lambda: outcome(lambda: setattr(one, "unknown", 1)) is None,
        lambda: setattr(one, other, 1),
        *(lambda: state(copy.copy(one)), lambda: state(copy.deepcopy(one))),
        lambda: state(pickle.loads(pickle.dumps(one))),
        *(lambda: dataclasses.asdict(one), lambda: type(one.o00)),
    ]
    return [*told, *map(outcome, asked)]


@given(data_classes())
def test_a_data_class_is_one_of_the_standard_library(text: str) -> None:
    """Whatever its fields and flags: signature, values, errors, copies and pickles."""
    note(text)
    try:
        with module_of(STANDARD + text) as module:
            expected = told_of(module)
    except TypeError:  # it cannot be defined
        return

    with module_of(OURS + text) as module:
        assert told_of(module) == expected


@given(
    st.lists(st.sampled_from(["{0}: int", "{0}: int = 3"]), max_size=4),
    st.sampled_from(BODIES),
)
def test_a_named_tuple_is_one_of_the_standard_library(
    fields: list[str], body: str
) -> None:
    """Signature, items by name, changes, errors, copies and pickles."""
    fields = sorted(fields, key=len)
    lines = [each.format("abcd"[at]) for at, each in enumerate(fields)]
    text = "\n    ".join(["class C(NamedTuple):", *lines, body, "pass"])

    def told() -> list[Any]:
        with module_of(header + text) as module:
            kind = module.C
            one = kind(*range(len(lines)))
            return [
                *(parameters_of(kind), kind._fields, kind._field_defaults),
                *(kind.__match_args__, kind.__bases__, kind.__name__, type(kind)),
                *(outcome(kind), outcome(lambda: kind(*range(9)))),
                *(one, repr(one), one._asdict(), hash(one), list(one), one[:1]),
                [getattr(one, each) for each in kind._fields],
                outcome(lambda: one._replace(a=7)),
                outcome(lambda: one._replace(unknown=7)),
                outcome(lambda: kind._make([1])),
                outcome(lambda: setattr(one, "a", 1)),
                outcome(lambda: setattr(one, "unknown", 1)),
                *(copy.copy(one), copy.deepcopy(one)),
                *(pickle.loads(pickle.dumps(one)), type(copy.copy(one)) is kind),
                type(pickle.loads(pickle.dumps(one))) is kind,
            ]

    header = STANDARD
    expected = told()
    header = OURS
    assert told() == expected


@pytest.mark.parametrize("cls", ["a: InitVar[int] = 3", "a: InitVar[int]"])
def test_what_only_the_initializer_gets(cls: str) -> None:
    """It goes to `__post_init__`, and no object keeps it."""
    text = f"""
@dataclass(slots=True)
class C:
    b: int
    {cls}
    def __post_init__(self, a):
        self.b += a
"""
    for header in (STANDARD, OURS):
        with module_of(header + text) as module:
            made: Any = module.C(2, 3)
            assert made.b == 5
            assert [each.name for each in dataclasses.fields(made)] == ["b"]
            assert not hasattr(made, "a") or made.a == 3


def test_threads_that_make_the_first_object_at_once() -> None:
    """Each gets one."""
    with module_of(OURS + "@dataclass\nclass C:\n    a: int") as module:
        kind: Any = module.C
        made: list[int] = []
        start = Barrier(8)

        def make(number: int) -> None:
            start.wait()
            made.append(kind(number).a)

        threads = [Thread(target=make, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(made) == list(range(8))


def test_a_base_class_of_the_standard_library_is_refused() -> None:
    """Its fields would be missing in silence."""
    text = """
import dataclasses
@dataclasses.dataclass
class A:
    a: int
@dataclass
class B(A):
    b: int
"""
    with (
        pytest.raises(TypeError, match="B: its base A is none of ours"),
        module_of(OURS + text),
    ):
        pass


def test_a_standard_data_class_may_have_one_of_ours_as_its_base() -> None:
    """So may those of a user who derives from `Task` or `Outcome`."""
    text = """
import dataclasses
@dataclass(frozen=True, slots=True)
class A:
    a: int
@dataclasses.dataclass(frozen=True)
class B(A):
    b: int = 2
"""
    with module_of(OURS + text) as module:
        made: Any = pickle.loads(pickle.dumps(module.B(1)))
        assert repr(made) == "B(a=1, b=2)"
        assert dataclasses.asdict(made) == {"a": 1, "b": 2}


def test_nothing_is_imported_for_them() -> None:
    """Neither to define a class nor to make an object of it."""
    code = (
        OURS + "import sys\n@dataclass(frozen=True)\nclass C:\n    a: int\n"
        "class N(NamedTuple):\n    a: int\n"
        "assert C(1).a == N(1).a\n"
        "print(sorted({'dataclasses', 'inspect'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
