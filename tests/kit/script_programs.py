# ruff: noqa: E501  # programs are written as they are
"""Small programs whose outcome is the same in a script and in a module.

Each defines ``main(run)``, which runs tasks by ``run(function, *arguments)`` and
returns what came of it. Those that set ``INITIALIZER`` have it called in each worker.
What tasks change in a worker is only looked at where one worker does it all.

This file is also the program that runs them: each as a script and as a module, one
after the other in one interpreter, on the same warm workers.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

PROGRAMS = {
    "two functions that share a variable": """
        def make():
            n = 0
            def add():
                nonlocal n
                n += 1
            def get(): return n
            return add, get
        add, get = make()
        def twice(): add(); add(); return get()
        def main(run): return run(twice)
    """,
    "two functions that share a dictionary": """
        import functools
        def make():
            kept = {}
            def keeping(function):
                @functools.wraps(function)
                def keep(k):
                    kept[k] = function(k)
                return keep
            return keeping, lambda k: kept.get(k)
        keeping, kept_of = make()
        @keeping
        def square(k): return k * k
        @keeping
        def double(k): return k + k
        def work(k): square(k); double(k + 1); return kept_of(k), kept_of(k + 1)
        def main(run): return run(work, 5), run(work, 7)
    """,
    "two objects that share a part": """
        class Node:
            def __init__(self, x): self.x = x
        def nodes():
            part = [0]
            return Node(part), Node(part), part.append
        a, b, append = nodes()
        def work(): append(1); a.x.append(2); return a.x is b.x, len(b.x)
        def main(run): return run(work)
    """,
    "bound methods of objects that a script has made": """
        class A:
            n = 0
            def up(self): self.n += 1; return self.n
        class B(A): pass
        class C(A): pass
        class D(A): pass
        class E(A): pass
        c, d, e = C(), D(), E()
        up_a, up_b, up_c, up_d, up_e = A().up, B().up, c.up, d.up, e.up
        d.n = 5
        def work(): return up_a(), up_b(), up_c(), up_d(), up_e(), c.n, d.n, e.n
        def main(run): return run(work)
    """,
    "a method, and a function that knows its object": """
        class Count:
            n = 0
            def up(self): self.n += 1
        def make():
            count = Count()
            return count.up, lambda: count.n
        up, now = make()
        def work(): up(); up(); return now()
        def main(run): return run(work)
    """,
    "a global that a function uses": """
        offset = 10
        def shift(x): return x + offset
        def main(run): return run(shift, 1), run(shift, 2)
    """,
    "an initializer that sets a global": """
        offset = 0
        def set_up(value):
            global offset
            offset = value
        INITIALIZER, INITARGS = set_up, (100,)
        def work(x): return x + offset
        def main(run): return run(work, 1), run(work, 2)
    """,
    "an initializer that sets a global which the program does not have": """
        def set_up(value):
            global model
            model = {"weight": value}
        INITIALIZER, INITARGS = set_up, (7,)
        def work(x): return model["weight"] * x
        def main(run): return run(work, 3)
    """,
    "an initializer that sets a global by its text": """
        limit = 1
        def set_up(value): globals()["limit"] = value
        INITIALIZER, INITARGS = set_up, (5,)
        def work(): return limit
        def main(run): return run(work)
    """,
    "an initializer that fills a dictionary": """
        cache = {}
        def set_up(value): cache["a"] = value
        INITIALIZER, INITARGS = set_up, (5,)
        def work(): return cache
        def main(run): return run(work)
    """,
    "an initializer that makes an object which tasks share": """
        class Model:
            made = 0
            def __init__(self): type(self).made += 1
        model = None
        def set_up():
            global model
            model = Model()
        INITIALIZER, INITARGS = set_up, ()
        def work(): return type(model) is Model, Model.made
        def main(run): return run(work), run(work), Model.made
    """,
    "a cache": """
        from functools import cache
        @cache
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        def helper(n): return fib(n) + 1
        def main(run): return run(fib, 30), run(helper, 20)
    """,
    "a cache of some size": """
        from functools import lru_cache
        @lru_cache(maxsize=3)
        def double(n): return 2 * n
        def look():
            for n in range(5): double(n)
            return double.cache_info().currsize, double.cache_parameters()["maxsize"]
        def main(run): return run(double, 4), run(look), double.cache_info().currsize
    """,
    "a cached method": """
        from functools import cached_property
        class Doc:
            def __init__(self, text): self.text = text
            @cached_property
            def words(self): return self.text.split()
        def count(doc): return len(doc.words)
        def make(): return Doc("a b")
        def main(run): return run(count, Doc("a b c")), run(make).words
    """,
    "a generic function": """
        from functools import singledispatch
        @singledispatch
        def show(x): return "any"
        @show.register
        def _(x: int): return "int"
        class Thing: pass
        @show.register
        def _(x: Thing): return "thing"
        def use(x): return show(x)
        def main(run):
            return run(use, 3), run(use, "s"), run(use, Thing()), run(show, Thing())
    """,
    "a generic method": """
        from functools import singledispatchmethod
        class P:
            @singledispatchmethod
            def f(self, x): return "any"
            @f.register
            def _(self, x: int): return "int"
        def use(x): return P().f(x)
        def main(run): return run(use, 3), run(use, "s")
    """,
    "partial methods and total ordering": """
        from functools import partialmethod, total_ordering
        @total_ordering
        class N:
            def __init__(self, n): self.n = n
            def __eq__(self, other): return self.n == other.n
            def __lt__(self, other): return self.n < other.n
            def add(self, n): return N(self.n + n)
            one_more = partialmethod(add, 1)
        def use(n): return n.one_more() >= N(3)
        def main(run): return run(use, N(1)), run(use, N(2)), run(N(4).one_more).n
    """,
    "a new type": """
        from typing import NewType
        UserId = NewType("UserId", int)
        def find(user: UserId) -> str: return f"user {user}"
        def make(n): return UserId(n)
        def itself(): return UserId
        def main(run):
            return run(find, 3), run(make, 4), run(itself) is UserId, run(UserId, 5)
    """,
    "slots": """
        class S:
            __slots__ = ("v", "__weakref__", "__hidden")
            def __init__(self, v): self.v, self.__hidden = v, v * 2
            def hidden(self): return self.__hidden
        class T(S):
            __slots__ = ["w"]
        def make(): return S(2)
        def look(s): return type(s) is S, hasattr(s, "__dict__"), s.v, s.hidden()
        def make_t():
            t = T(3)
            t.w = 4
            return t
        def main(run):
            made, t = run(make), run(make_t)
            return made.v, type(made) is S, run(look, S(1)), t.w, t.hidden()
    """,
    "a pickle that a task writes": """
        import pickle
        from dataclasses import dataclass
        @dataclass
        class Model:
            weight: float
        def save(w): return pickle.dumps(Model(w))
        def main(run): return pickle.loads(run(save, 1.5)) == Model(1.5)
    """,
    "a pickle that a task reads": """
        import pickle
        class Model:
            def __init__(self, weight): self.weight = weight
            def double(self): return factor * self.weight
        factor = 2
        def load(data): return pickle.loads(data).double()
        def main(run): return run(load, pickle.dumps(Model(2.5)))
    """,
    "type hints": """
        import typing
        from dataclasses import dataclass
        @dataclass
        class Model:
            weight: float
            parent: "Model | None" = None
            other: "Other | None" = None
        class Other: pass
        def use(x: "Other") -> "Model": pass
        def hints(): return repr(typing.get_type_hints(Model)), typing.get_type_hints(use)
        def main(run):
            text, hints_of_use = run(hints)
            return text, hints_of_use == {"x": Other, "return": Model}
    """,
    "names that are looked up as text": """
        limit = 3
        class Thing: pass
        def by_globals(): return globals()["limit"]
        def by_eval(): return eval("limit + 1"), type(eval("Thing()")) is Thing
        def by_module():
            import sys
            return getattr(sys.modules[__name__], "limit")
        def main(run): return run(by_globals), run(by_eval), run(by_module)
    """,
    "the module itself": """
        import sys
        class Thing: pass
        limit = 3
        def look():
            me = sys.modules[Thing.__module__]
            return me.limit, me.Thing is Thing, me.look is look
        def main(run): return run(look)
    """,
    "what inspect says": """
        import inspect
        class Thing:
            def method(self): return 1
        def work(a, b=2): return a
        def look():
            return (
                inspect.getsource(work), inspect.getsource(Thing),
                str(inspect.signature(work)), inspect.getmodule(Thing).Thing is Thing,
            )
        def main(run): return run(look)
    """,
    "keywords in the head of a class": """
        registry = {}
        class Base:
            def __init_subclass__(cls, *, kind, **rest):
                super().__init_subclass__(**rest)
                registry[kind] = cls
        class A(Base, kind="a"): pass
        class B(A, kind="b"): pass
        def make(kind): return registry[kind]()
        def count(): return sorted(registry), registry["a"] is A
        def main(run): return type(run(make, "a")) is A, type(run(make, "b")) is B, run(count)
    """,
    "a metaclass": """
        class Meta(type):
            def __new__(m, name, bases, ns, *, tag): return super().__new__(m, name, bases, ns)
            def __init__(cls, name, bases, ns, *, tag):
                super().__init__(name, bases, ns)
                cls.tag = tag
            def describe(cls): return f"{cls.__name__} {cls.tag}"
        class B(metaclass=Meta, tag="t"): pass
        class C(B, tag="c"): pass
        def make(): return C()
        def describe(): return B.describe(), C.describe()
        def main(run): return type(run(make)) is C, run(describe), run(C.describe)
    """,
    "a metaclass with a registry": """
        class Meta(type):
            made = []
            def __new__(m, name, bases, ns):
                kind = super().__new__(m, name, bases, ns)
                m.made.append(kind)
                return kind
        class Plugin(metaclass=Meta): pass
        class One(Plugin): pass
        def names(): return [kind.__name__ for kind in Meta.made], Meta.made[1] is One
        def main(run): return run(names)
    """,
    "abstract classes": """
        import abc
        class Shape(abc.ABC):
            @abc.abstractmethod
            def area(self): ...
        class Square(Shape):
            def __init__(self, a): self.a = a
            def area(self): return self.a ** 2
        @Shape.register
        class Odd: pass
        def grow(s): return Square(s.area())
        def is_shape(): return isinstance(Odd(), Shape), issubclass(Square, Shape)
        def fails():
            try: Shape()
            except TypeError: return "abstract"
        def main(run): return run(grow, Square(2)).a, run(is_shape), run(fails)
    """,
    "enums": """
        import enum
        class Color(enum.Enum):
            RED = 1
            BLUE = "b"
            CRIMSON = 1
            def other(self): return Color.BLUE if self is Color.RED else Color.RED
        class Flag(enum.Flag):
            R = enum.auto()
            W = enum.auto()
        class Number(enum.IntEnum):
            ONE = 1
        class Text(str, enum.Enum):
            A = "a"
        class Planet(enum.Enum):
            EARTH = (1.0, 2.0)
            MARS = (3.0, 4.0)
            def __init__(self, mass, radius): self.mass, self.radius = mass, radius
        def look(f): return f is (Flag.R | Flag.W), f
        def number(): return Number.ONE + 1, Number.ONE, Text.A, Planet.MARS.radius
        def table(): return {Color.RED: 1, Color.CRIMSON: 2}
        def main(run):
            return (
                run(Color.RED.other) is Color.BLUE, run(look, Flag.R | Flag.W),
                run(number), run(table), run(Color, 1) is Color.RED,
                run(lambda: Planet.EARTH) is Planet.EARTH,
            )
    """,
    "data classes": """
        from dataclasses import dataclass, field, fields, replace
        @dataclass(frozen=True, slots=True, order=True)
        class Point:
            x: int
            y: int = 0
        @dataclass
        class Line:
            start: Point
            points: list = field(default_factory=list)
            def add(self, p): return replace(self, points=[*self.points, p])
        def move(p): return replace(p, x=p.x + 1)
        def names(): return [f.name for f in fields(Line)]
        def main(run):
            line = Line(Point(1))
            return (
                run(move, Point(1)), run(line.add, Point(3)) == Line(Point(1), [Point(3)]),
                run(names), type(run(move, Point(1))) is Point,
            )
    """,
    "classes for which a library writes code": """
        def written(kind):  # as attrs does: in a copy of the globals, with more in it
            names = {**globals(), "HIDDEN": 7}
            exec("def total(self): return self.x + HIDDEN, kept", names, made := {})
            kind.total = made["total"]
            return kind
        kept = [1]
        def make(n):
            class Kind:
                def __init__(self): self.x = n
            Kind.__name__ = Kind.__qualname__ = f"Kind{n}"
            return written(Kind)
        for n in range(40): globals()[f"Kind{n}"] = make(n)
        kinds = [globals()[f"Kind{n}"] for n in range(40)]
        def look(): return [kind().total()[0] for kind in kinds] == list(range(7, 47))
        def one(): return Kind3().total(), type(Kind3()) is kinds[3]
        def main(run): return run(one), run(look), run(Kind5().total), type(run(Kind4)) is Kind4
    """,
    "protocols": """
        from typing import Protocol, runtime_checkable
        @runtime_checkable
        class HasArea(Protocol):
            def area(self) -> float: ...
        class Square:
            def area(self) -> float: return 1.0
        class Child(HasArea):
            def area(self): return 2.0
        def check(x): return isinstance(x, HasArea)
        def main(run): return run(check, Square()), run(check, 3), run(Child().area)
    """,
    "named tuples": """
        from collections import namedtuple
        from typing import NamedTuple
        Pair = namedtuple("Pair", "a b")
        class Typed(NamedTuple):
            a: int
            b: str = "x"
            def both(self): return self.a, self.b
        def swap(p): return Pair(p.b, p.a)
        def make(): return Typed(1)
        def main(run):
            return run(swap, Pair(1, 2)), type(run(make)) is Typed, run(Typed(3).both)
    """,
    "typed dictionaries": """
        from typing import TypedDict
        class Movie(TypedDict, total=False):
            name: str
        class Sequel(Movie):
            number: int
        def make() -> Movie: return Movie(name="a")
        def keys(): return sorted(Sequel.__annotations__), Sequel.__total__, Movie.__total__
        def main(run): return run(make), run(keys)
    """,
    "generic classes": """
        from typing import Generic, TypeVar
        T = TypeVar("T")
        class Node(Generic[T]):
            __slots__ = ("v", "__weakref__", "__orig_class__")
            def __init__(self, v): self.v = v
        class IntNode(Node[int]): pass
        def make(n): return Node[int](n.v)
        def parameters(): return Node.__parameters__ == (T,), Node[T] == Node[T], IntNode(3).v
        def main(run): return run(make, Node(1)).v, run(parameters), run(lambda: T) is T
    """,
    "a sentinel": """
        MISSING = object()
        def work(x=MISSING): return x is MISSING
        class Options:
            default = MISSING
            def is_default(self): return self.default is MISSING
        def main(run): return run(work), run(work, 1), run(Options().is_default)
    """,
    "a default that is a global": """
        cache = {}
        def add(key, cache=cache):
            cache[key] = 1
            return len(cache)
        def count(): return len(cache)
        def both(key): return add(key), count()
        def main(run): return run(both, "a")[0] == run(both, "b")[1] - 1 or "other worker"
    """,
    "a global that tasks change": """
        count = 0
        seen = []
        def add():
            global count
            count += 1
            seen.append(count)
            return count == len(seen)
        def main(run): return run(add), run(add), count, seen
    """,
    "nested classes": """
        class Outer:
            class Inner:
                class Core:
                    def __init__(self, v): self.v = v
            class Kind: pass
            @staticmethod
            def plain(x): return x + 1
            @classmethod
            def make(cls): return cls.Inner.Core(3)
        def work(core): return Outer.Inner.Core(core.v + 1)
        def main(run):
            return (
                run(work, Outer.Inner.Core(1)).v, run(Outer.plain, 1),
                type(run(Outer.make)) is Outer.Inner.Core, run(lambda: Outer.Kind) is Outer.Kind,
            )
    """,
    "classes that refer to one another": """
        class Tree:
            def __init__(self, *leaves): self.leaves = leaves
            def first(self): return self.leaves[0]
        class Leaf:
            kind = Tree
            def tree(self): return Tree(self)
        Tree.default = Leaf()
        def work(): return Leaf.kind is Tree, type(Tree.default) is Leaf, Leaf().tree().first()
        def main(run):
            same, default, leaf = run(work)
            return same, default, type(leaf) is Leaf
    """,
    "super and properties": """
        class Base:
            def __init__(self, v): self._v = v
            @property
            def v(self): return self._v
            @v.setter
            def v(self, value): self._v = value
            def grow(self): self.v += 1; return self
        class Child(Base):
            def grow(self): return super().grow()
        class Final(Child):
            def __init__(self): super().__init__(5)
        def main(run): return run(Child(1).grow).v, run(Final().grow).v, type(run(Final)) is Final
    """,
    "descriptors": """
        class Positive:
            def __set_name__(self, owner, name): self.name = "_" + name
            def __get__(self, obj, kind): return self if obj is None else getattr(obj, self.name)
            def __set__(self, obj, value):
                if value < 0: raise ValueError("negative")
                setattr(obj, self.name, value)
        class Account:
            balance = Positive()
            def __init__(self, balance): self.balance = balance
        def take(account, n):
            account.balance -= n
            return account.balance
        def main(run): return run(take, Account(5), 2), run(take, Account(1), 2)
    """,
    "decorators": """
        from functools import wraps
        calls = []
        def counted(f):
            @wraps(f)
            def inner(*given):
                calls.append(f.__name__)
                inner.count += 1
                return f(*given)
            inner.count = 0
            return inner
        @counted
        def work(x): return x * 2
        def use(x): return work(x), work.__wrapped__(x), work.__name__
        def main(run): return run(work, 2), run(use, 3), calls, work.count
    """,
    "decorators of a library": """
        from contextlib import contextmanager, closing
        from functools import wraps
        @contextmanager
        def opened(name):
            yield name + "!"
        def use(name):
            with opened(name) as text: return text
        def main(run): return run(use, "a")
    """,
    "exceptions": """
        class AppError(Exception):
            code = 1
        class NotFound(AppError):
            def __init__(self, key, hint=None):
                super().__init__(f"no {key}")
                self.key, self.hint = key, hint
        def fail(key): raise NotFound(key, "look")
        def catch(key):
            try: fail(key)
            except AppError as error: return error.key, error.code
        def main(run): return run(fail, "a"), run(catch, "b")
    """,
    "a singleton": """
        class Settings:
            def __init__(self): self.level = 1
            def __reduce__(self): return get_settings, ()
        settings = Settings()
        def get_settings(): return settings
        def work(s): return s is settings, settings.level
        def main(run): return run(work, settings), run(get_settings) is settings
        if __name__ == "__main__": pass
    """,
    "what cannot be pickled, behind a guard": """
        import sqlite3, threading
        from concurrent.futures import ThreadPoolExecutor
        lock = threading.Lock()
        local = threading.local()
        db = sqlite3.connect(":memory:", check_same_thread=False)
        pool = ThreadPoolExecutor(1)
        level = 0
        def locked(n):
            with lock: return n + level
        def remember(n):
            local.n = n
            return local.n
        def query(): return db.execute("select 1").fetchone()
        def submit(n): return pool.submit(abs, -n).result()
        def main(run):
            return run(locked, 1), run(remember, 2), run(query), run(submit, 3)
        if __name__ == "__main__": pass
    """,
    "models of a database, behind a guard": """
        import threading, weakref
        class Manager:
            def __init__(self, kind):
                self.kind, self.lock = weakref.ref(kind), threading.RLock()
        class Base:
            managers = weakref.WeakKeyDictionary()
            def __init_subclass__(cls):
                cls.manager = Base.managers[cls] = Manager(cls)
            def __init__(self, **values): vars(self).update(values)
            def table(self):
                with self.manager.lock: return self.manager.kind() is type(self)
        class User(Base): pass
        class Admin(User):
            def double(self): return Admin(id=self.id * 2)
        default = User(id=7)
        def make(): return User(id=3)
        def look(user): return user.id, user.table(), default.id, type(default) is User
        def main(run):
            made, double = run(make), run(Admin(id=2).double)
            return type(made) is User, made.id, run(look, User(id=4)), double.id, made.table()
        if __name__ == "__main__": pass
    """,
    "callable objects and functions with state": """
        class Adder:
            def __init__(self, n): self.n = n
            def __call__(self, x): return x + self.n
        add_three = Adder(3)
        def tagged(x): return tagged.tag, x
        tagged.tag = "t"
        from functools import partial
        half = partial(divmod, 7)
        def use(x): return add_three(x), half(x)
        def main(run): return run(add_three, 1), run(tagged, 2), run(use, 2), run(Adder(2), 1)
    """,
    "generators and coroutines inside of a task": """
        import asyncio
        def numbers(n):
            yield from range(n)
        async def double(x):
            await asyncio.sleep(0)
            return x * 2
        async def gather(): return await asyncio.gather(double(1), double(2))
        def total(n): return sum(numbers(n)), sum(x for x in numbers(n) if x > limit)
        def run_async(): return asyncio.run(gather())
        limit = 1
        def main(run): return run(total, 4), run(run_async)
    """,
    "context variables and thread locals": """
        import threading
        from contextvars import ContextVar
        user = ContextVar("user", default="nobody")
        def work():
            before = user.get()
            user.set("somebody")
            return before, user.get()
        def main(run): return run(work), run(work), user.get()
    """,
    "a logger": """
        import logging
        log = logging.getLogger("app")
        def work(n):
            log.debug("n is %s", n)
            return log.name, log is logging.getLogger("app")
        def main(run): return run(work, 1)
    """,
    "imports of all kinds": """
        import collections.abc, os.path as path, math
        from math import sqrt as root
        import xml.etree.ElementTree
        def work():
            import json
            return (
                root(4), path.basename("a/b"), json.dumps([1]), math.pi > 3,
                isinstance([], collections.abc.Sequence),
                xml.etree.ElementTree.fromstring("<a/>").tag,
            )
        def main(run): return run(work)
    """,
    "classes made in functions": """
        def make_kind(name):
            class Kind:
                def __init__(self, v): self.v = v
                def again(self): return type(self)(self.v + step)
            Kind.__name__ = Kind.__qualname__ = name
            return Kind
        step = 2
        Known = make_kind("Known")
        def work(): return Known(1).again()
        def main(run):
            return run(work).v, type(run(work)) is Known, run(Known(5).again).v
    """,
    "recursion between functions": """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def main(run): return run(even, 10), run(odd, 10)
    """,
    "a dispatch table": """
        handlers = {}
        def handler(name):
            def note(f):
                handlers[name] = f
                return f
            return note
        @handler("a")
        def do_a(x): return "a", x
        @handler("b")
        def do_b(x): return do_a(x)
        def work(name, x): return handlers[name](x), handlers["a"] is do_a
        def main(run): return run(work, "a", 1), run(work, "b", 2)
    """,
    "containers that share": """
        shared = [1]
        left, right = {"x": shared}, {"x": shared}
        def work():
            shared.append(2)
            same = left["x"] is right["x"] is shared
            shared.pop()
            return same
        def main(run): return run(work)
    """,
    "objects that refer to one another": """
        class Node:
            def __init__(self, parent=None):
                self.parent, self.children = parent, []
                if parent is not None: parent.children.append(self)
        root = Node()
        child = Node(root)
        left, right = {}, {}
        left["right"], right["left"] = right, left
        def work():
            root.mark = 1
            return child.parent is root, root.children[0] is child, child.parent.mark
        def sides(): return left["right"] is right, right["left"] is left
        def main(run): return run(work), run(sides), run(work), hasattr(root, "mark")
    """,
    "an alias": """
        def work(x): return x
        same = work
        class Thing: pass
        Alias = Thing
        def look(): return same is work, Alias is Thing, type(Alias()).__name__
        def main(run): return run(look), run(same, 1), type(run(Alias)) is Thing
    """,
    "weak references and finalizers": """
        import weakref
        class Thing: pass
        kept = []
        def work():
            thing = Thing()
            weakref.finalize(thing, kept.append, 1)
            del thing
            return kept.pop()
        def main(run): return run(work)
    """,
    "operators and comparison": """
        class Vector:
            def __init__(self, *v): self.v = v
            def __add__(self, other): return Vector(*map(sum, zip(self.v, other.v)))
            def __eq__(self, other): return type(other) is Vector and self.v == other.v
            def __hash__(self): return hash(self.v)
            def __repr__(self): return f"Vector{self.v}"
        def add(a, b): return a + b
        def keyed(): return {Vector(1): 1}[Vector(1)]
        def main(run): return run(add, Vector(1), Vector(2)) == Vector(3), run(keyed)
    """,
    "match and dataclass patterns": """
        from dataclasses import dataclass
        @dataclass
        class Move:
            dx: int
        @dataclass
        class Stop: pass
        def act(command):
            match command:
                case Move(dx): return dx
                case Stop(): return "stop"
        def main(run): return run(act, Move(3)), run(act, Stop())
    """,
    "a task that calls tasks": """
        from cotality.core.utils.process import Task, execute_tasks_in_parallel
        class Thing:
            def __init__(self, v): self.v = v
        base = 5
        def inner(thing): return Thing(thing.v + base)
        def outer(v):
            (made,) = execute_tasks_in_parallel([Task.of(inner, Thing(v))], 1, True)
            return type(made) is Thing, made
        def main(run):
            same, made = run(outer, 1)
            return same, type(made) is Thing, made.v
    """,
    "a global that is bound to something else": """
        level = 1
        def work(): return level
        def main(run):
            global level
            level = 1
            first = run(work)
            level = 2
            return first
    """,
}
# What only one worker can tell, in the order of the calls.
TEXT_OF_PLACE = re.compile(r"<module '[^']*' from '[^']*'>| at 0x[0-9a-f]+")


def source_of(name: str) -> str:
    lines = PROGRAMS[name].strip("\n").splitlines()
    return "\n".join(line[8:] for line in lines) + "\n"


def as_module(name: str, folder: Path) -> ModuleType:
    stem = "program_" + re.sub(r"\W", "_", name)
    (folder / f"{stem}.py").write_text(source_of(name))
    importlib.invalidate_caches()
    return importlib.import_module(stem)


def as_script(name: str, folder: Path) -> ModuleType:
    """Run as Python does: in the namespace of the module ``__main__``."""
    path = folder / ("script_" + re.sub(r"\W", "_", name) + ".py")
    path.write_text(source_of(name))
    module = sys.modules["__main__"] = ModuleType("__main__")
    vars(module)["__file__"] = str(path)
    exec(compile(path.read_text(), path, "exec", dont_inherit=True), vars(module))
    return module


@contextmanager
def plain(module: Any, workers: int) -> Any:
    from cotality.core.utils.process import Task, execute_tasks_in_parallel

    set_up: Any = {}
    if hasattr(module, "INITIALIZER"):
        set_up = {"initializer": module.INITIALIZER, "initargs": module.INITARGS}

    def run(function: Any, *arguments: Any) -> Any:
        tasks = [Task.of(function, *arguments)] * workers
        return execute_tasks_in_parallel(tasks, workers, True, **set_up)[0]

    yield run


@contextmanager
def in_pool(module: Any, workers: int) -> Any:
    from cotality.core.utils.process import worker_pool

    set_up: Any = {}
    if hasattr(module, "INITIALIZER"):
        set_up = {"initializer": module.INITIALIZER, "initargs": module.INITARGS}
    pool = worker_pool(max_workers=workers, **set_up)
    with pool, plain(ModuleType("plain"), workers) as run:
        yield run


@contextmanager
def on_executor(module: Any, workers: int) -> Any:
    from cotality.core.utils.process import IsolatedProcessPoolExecutor

    set_up: Any = ()
    if hasattr(module, "INITIALIZER"):
        set_up = (module.INITIALIZER, module.INITARGS)
    with IsolatedProcessPoolExecutor(workers, None, *set_up) as executor:

        def run(function: Any, *arguments: Any) -> Any:
            return executor.submit(function, *arguments).result()

        yield run


WAYS: dict[str, Callable[[Any], Any]] = {
    "warm": functools.partial(plain, workers=1),
    "warm again": functools.partial(plain, workers=1),
    "two workers": functools.partial(plain, workers=2),
    "pool": functools.partial(in_pool, workers=1),
    "executor": functools.partial(on_executor, workers=1),
}


def outcome(module: Any, way: str) -> str:
    def caught(run: Any) -> Any:
        def run_or_tell(*given: Any) -> Any:
            try:
                return run(*given)
            except Exception as error:
                return f"{type(error).__name__}: {error}"

        return run_or_tell

    try:
        with WAYS[way](module) as run:
            told = repr(module.main(caught(run)))
    except Exception:
        told = traceback.format_exc()
    name = re.escape(module.__name__)
    return TEXT_OF_PLACE.sub("", re.sub(rf"\b{name}\b", "HERE", told))


def main(folder: Path, names: list[str]) -> None:
    sys.path.insert(0, str(folder))
    for name in names:
        told = {}
        for kind, make in (("script", as_script), ("module", as_module)):
            module = make(name, folder)
            told[kind] = {way: outcome(module, way) for way in WAYS}
        print(json.dumps([name, told]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(PROGRAMS))
