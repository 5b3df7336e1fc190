"""Tasks whose parts share objects in any way, and what shape such a task has.

Tasks are made of a few nodes of all kinds, each of which may hold others, also itself.
A task gives back the shape of what it was called with: what there is, and what is the
same object as what.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from cotality.core.utils.process import Task
from tests.kit.given import st

Parts: TypeAlias = list[Any]  # Any: nodes of any kind
Shape: TypeAlias = list[Any]  # Any: a description of each object

# Numbers that take five bytes each when they are pickled. A list with 14,000 of them is
# large, one of 9,000 small ones looks large, but is not.
PADDINGS = [range(0), range(0), range(9_000), range(70_000, 84_000)]


class Node:
    """An object with attributes and a method; it is called like a function too."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.parts: Parts = []

    def shape(self, *positional: Any, **named: Any) -> Shape:
        return shape_of((self, positional, named))

    __call__ = shape


def shape(*positional: Any, **named: Any) -> Shape:
    return shape_of((positional, named))


def closure_over(parts: Parts) -> Callable[..., Shape]:
    def closure(*positional: Any, **named: Any) -> Shape:
        return shape_of((parts, positional, named))

    return closure


def change(*positional: Any, **named: Any) -> Shape:
    """As `shape`, and all that can be changed is something else afterwards."""
    found = shape_of((positional, named))
    for thing in reached((positional, named)):
        if isinstance(thing, list):
            thing.append("changed")
        elif isinstance(thing, dict):
            thing["changed"] = True
        elif isinstance(thing, bytearray):
            thing[:1] = b"changed"
    return found


def reached(root: object) -> Iterator[object]:
    """All objects that can be told from a copy, each once."""
    seen: dict[int, object] = {}
    left = [root]
    while left:
        thing = left.pop()
        if id(thing) not in seen and has_shape(thing):
            seen[id(thing)] = thing
            yield thing
            left += reversed(parts_of(thing))


ATOMS = (int, float, str, bytes, type(None))


def has_shape(thing: object) -> bool:
    return type(thing) not in ATOMS and not (
        isinstance(thing, types.FunctionType) and thing.__closure__ is None
    )


def parts_of(thing: Any) -> Parts:
    """What *thing* holds, in an order that is the same for its copy."""
    if isinstance(thing, dict):
        return [part for item in thing.items() for part in item]
    if isinstance(thing, set | frozenset):
        return sorted(thing, key=lambda each: each.name)
    if isinstance(thing, list | tuple):
        return [*thing]
    if isinstance(thing, np.ndarray):
        return thing.tolist() if thing.dtype.hasobject else []
    if isinstance(thing, partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, types.MethodType):
        return [thing.__self__]
    if isinstance(thing, types.FunctionType):
        return [*(thing.__closure__ or ())]
    if isinstance(thing, types.CellType):
        return [thing.cell_contents]
    return [vars(thing)] if isinstance(thing, Node) else []


def shape_of(root: object) -> Shape:
    """Each object with what it holds: others by their number, atoms as they are."""
    things = list(reached(root))
    numbers = {id(thing): number for number, thing in enumerate(things)}
    shapes: Shape = []
    for thing in things:
        parts = parts_of(thing)
        padding = [part for part in parts if type(part) is int]
        others = [
            numbers.get(id(part), getattr(part, "__qualname__", part))
            for part in parts
            if type(part) is not int
        ]
        content = b""
        if isinstance(thing, bytearray):
            content = bytes(thing)
        elif isinstance(thing, np.ndarray) and not thing.dtype.hasobject:
            content = thing.tobytes()
        digest = hashlib.md5(content).hexdigest() if content else ""
        kind = type(thing).__name__
        shapes.append((kind, others, len(padding), sum(padding), digest))
    return shapes


# Random ones.

KINDS = [
    *("list", "list", "dict", "set", "frozenset", "tuple", "node", "node", "array"),
    *("objects", "bytearray", "method", "partial", "closure"),
]


def node(kind: str, name: int, padding: range, parts: Parts) -> Any:  # Any: of any kind
    """An object of that *kind* that holds *parts*."""
    if kind == "list":
        return [*padding, *parts]
    if kind == "dict":
        return dict.fromkeys(padding, 0) | {f"part {n}": p for n, p in enumerate(parts)}
    if kind in ("set", "frozenset"):
        nodes = [part for part in parts if isinstance(part, Node)]
        return set(nodes) if kind == "set" else frozenset(nodes)
    if kind == "tuple":
        return (*padding, *parts)
    if kind == "array":
        return np.arange(len(padding) + 1)
    if kind == "objects":
        array = np.empty(len(parts) + 1, object)
        array[:-1] = parts
        return array
    if kind == "bytearray":
        return bytearray(8 * len(padding) + 1)
    made = Node(name)
    made.parts = [*padding, *parts]
    if kind == "method":
        return made.shape
    if kind == "partial":
        return partial(shape, *parts, made)
    return closure_over([*parts, made]) if kind == "closure" else made


@dataclass
class Graph:
    """Some nodes, and tasks that are made of them."""

    nodes: Parts = field(default_factory=list[Any])
    tasks: list[Task[Shape]] = field(default_factory=list[Task[Shape]])
    drawn: list[object] = field(default_factory=list[object])  # to be shown

    def __repr__(self) -> str:
        return f"Graph({self.drawn})"


def indices(count: int, at_most: int) -> st.SearchStrategy[list[int]]:
    return (
        st.lists(st.integers(0, count - 1), max_size=at_most) if count else st.just([])
    )


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    graph = Graph()
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(KINDS))
        padding = draw(st.sampled_from(PADDINGS))
        held = draw(indices(number, 3))
        parts = [graph.nodes[each] for each in held]
        graph.nodes.append(node(kind, number, padding, parts))
        graph.drawn.append((kind, len(padding), held))
    for holder, other in draw(st.lists(pairs(len(graph.nodes)), max_size=2)):
        # Also backwards, so that there are circles.
        thing = graph.nodes[holder]
        if isinstance(thing, Node):
            thing.parts.append(graph.nodes[other])
            graph.drawn.append(f"{holder} holds {other}")
    for _ in range(draw(st.integers(1, 4))):
        graph.tasks.append(draw(tasks(graph)))
    return graph


def pairs(count: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))


@st.composite
def tasks(draw: st.DrawFn, graph: Graph) -> Task[Shape]:
    nodes = graph.nodes
    callables = [n for n, each in enumerate(nodes) if callable(each)]
    called = draw(st.sampled_from([-1, -2, *callables]))
    by_position = draw(indices(len(nodes), 3))
    by_name = draw(indices(len(nodes), 2))
    graph.drawn.append((called, by_position, by_name))
    function = [change, shape][called] if called < 0 else nodes[called]
    if called >= 0 and draw(st.booleans()):
        function = as_new(function)
    named = {f"argument{n}": nodes[each] for n, each in enumerate(by_name)}
    return Task(function, named, positional=tuple(nodes[each] for each in by_position))


def as_new(function: Any) -> Any:  # Any: a callable of any kind
    """*function*, as a new object if it is a method: so they mostly are."""
    owner: Any = getattr(function, "__self__", None)  # Any: of any kind
    return owner.shape if isinstance(function, types.MethodType) else function
