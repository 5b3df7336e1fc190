# ruff: noqa: E501  # programs are written as they are
"""Small scripts that change what they have defined, between calls.

Each defines ``main(run)``, which runs tasks by ``run(function, *arguments)`` and returns
what came of it. No task changes anything. So what comes of it is the same whether
``run`` calls the function at once, or has one worker call it that lives on.

This file is also the program that runs them, both ways, in one interpreter.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

PROGRAMS = {
    "a list in a dictionary": """
        part = [1]
        table = {"part": part}
        def work(): return len(table["part"])
        def both(): return len(table["part"]), table["part"] is part
        def main(run):
            before = run(work), run(both)
            part.append(2)
            return before, run(work), run(both)
    """,
    "an object in an object": """
        class Inner: n = 1
        class Outer:
            def __init__(self): self.inner = inner
        inner = Inner()
        outer = Outer()
        def work(): return outer.inner.n
        def both(): return outer.inner.n, outer.inner is inner
        def main(run):
            before = run(work), run(both)
            inner.n = 2
            return before, run(work), run(both)
    """,
    "a registry in a class": """
        registry = {"n": 1}
        class Thing:
            known = registry
        def work(): return Thing.known["n"]
        def both(): return Thing.known["n"], Thing.known is registry
        def main(run):
            before = run(work), run(both)
            registry["n"] = 2
            return before, run(work), run(both)
    """,
    "the value of a parameter": """
        options = {"n": 1}
        def work(given=options): return given["n"], given is options
        def use(): return work()
        def main(run):
            before = run(work), run(use)
            options["n"] = 2
            return before, run(work), run(use)
    """,
    "what a decorator holds": """
        options = {"n": 1}
        def times(table):
            def decorate(function):
                def decorated(*given): return function(*given) * table["n"]
                return decorated
            return decorate
        @times(options)
        def work(x): return x
        def use(x): return work(x)
        def main(run):
            before = run(use, 3)
            options["n"] = 2
            return before, run(use, 3)
    """,
    "a function in a dictionary and a class": """
        def work(): return work.n
        work.n = 1
        table = {"work": work}
        class Thing:
            work = staticmethod(work)
        def use(): return table["work"](), table["work"] is work, Thing.work(), Thing.work is work
        def main(run):
            before = run(use)
            work.n = 2
            return before, run(use)
    """,
    "what the wrapper of a method holds": """
        kept = []
        def counted(function):
            options = {"n": 1}
            kept.append(options)
            def inner(self): return options["n"]
            return inner
        class Thing:
            @counted
            def work(self): return 0
            show = property(counted(None))
        def work(): return Thing().work(), Thing().show
        def main(run):
            before = run(work)
            for options in kept: options["n"] = 2
            return before, run(work)
    """,
    "the values of parameters of methods": """
        class Thing:
            @classmethod
            def one(cls, given=[]): return len(given)
            @staticmethod
            def two(given=[]): return len(given)
        def work(): return Thing.one(), Thing.two()
        def main(run):
            before = run(work)
            Thing.one.__func__.__defaults__[0].append(1)
            Thing.two.__defaults__[0].append(1)
            return before, run(work)
    """,
    "the attribute of a static method": """
        class Thing:
            @staticmethod
            def work(): return Thing.work.n
        Thing.work.n = 1
        def work(): return Thing.work()
        def main(run):
            before = run(work)
            Thing.work.n = 2
            return before, run(work)
    """,
    "a class in a class": """
        class Outer:
            class Inner: n = 1
        def work(): return Outer.Inner.n
        def main(run):
            before = run(work)
            Outer.Inner.n = 2
            return before, run(work)
    """,
    "what a base has as well": """
        class Base: n = 1
        class Child(Base): n = 1
        def work(): return Child.n
        def main(run):
            told = [run(work)]
            Base.n = 2
            told.append(run(work))
            del Child.n
            return told, run(work)
    """,
    "the bases of a class": """
        class One:
            def work(self): return 1
        class Two:
            def work(self): return 2
        class Thing(One): pass
        def work(): return Thing().work()
        def main(run):
            before = run(work)
            Thing.__bases__ = (Two,)
            return before, run(work)
    """,
    "the annotations of a class": """
        class Thing:
            x: int
        def work(): return sorted(Thing.__annotations__)
        def main(run):
            before = run(work)
            Thing.__annotations__["y"] = int
            return before, run(work)
    """,
    "members of an enumeration": """
        import enum
        class Kind(enum.Enum):
            ONE = 1
            def __init__(self, value): self.n = value
        def work(): return Kind.ONE.n
        def main(run):
            before = run(work)
            Kind.ONE.n = 2
            before = before, run(work)
            Kind.double = lambda self: self.n * 2
            return before, run(work), run(lambda: Kind.ONE.double())
    """,
    "an abstract class": """
        import abc
        class Thing(abc.ABC):
            n = 1
        def work(x): return Thing().n, isinstance(x, Thing)
        def main(run):
            told = [run(work, 1)]
            Thing.n = 2
            told.append(run(work, 1))
            Thing.register(int)
            return told, run(work, 1)
    """,
    "a data class": """
        from dataclasses import dataclass
        @dataclass
        class Point:
            x: int
            def work(self): return self.x
        def work(): return Point(1).work(), repr(Point(1))
        def main(run):
            told = [run(work)]
            Point.work = lambda self: 2
            told.append(run(work))
            Point.__repr__ = lambda self: "a point"
            return told, run(work)
    """,
    "patches that are taken back": """
        from unittest import mock
        class Base:
            def work(self): return "real"
        class Thing(Base):
            url = "real"
        table = {"a": 1}
        def work(): return Thing().work(), Thing.url, sorted(table)
        def main(run):
            told = [run(work)]
            with mock.patch.object(Thing, "work", lambda self: "made up"): told.append(run(work))
            told.append(run(work))
            with mock.patch.object(Thing, "url", "made up"), mock.patch.dict(table, {"b": 1}):
                told.append(run(work))
            return told, run(work)
    """,
    "a name that hides a built-in one for a while": """
        def max(*given): return "mine"
        def work(): return max(1, 2)
        def main(run):
            global max
            told = [run(work)]
            del max
            told.append(run(work))
            max = min
            told.append(run(work))
            del max
            return told, run(work)
    """,
    "a global that is deleted": """
        level = 1
        def work():
            try: return level
            except NameError: return "none"
        def named(): return globals().get("level", "none")
        def main(run):
            global level
            told = [run(work), run(named)]
            del level
            told += [run(work), run(named)]
            level = 1
            return told, run(work), run(named)
    """,
    "a class that only what a task unpickles names": """
        import pickle
        class Thing: n = 1
        def work(data): return pickle.loads(data).n
        def main(run):
            data = pickle.dumps(Thing())
            before = run(work, data)
            Thing.n = 2
            return before, run(work, data)
    """,
    "a module that no import finds": """
        import types
        place = types.ModuleType("place")
        place.n = 1
        def work(): return place.n
        def main(run):
            before = run(work)
            place.n = 2
            return before, run(work)
    """,
    "the method of a list": """
        part = [1]
        last = part.__len__
        def work(): return last()
        def main(run):
            before = run(work)
            part.append(2)
            return before, run(work)
    """,
}


def as_script(name: str, path: Path) -> ModuleType:
    """Run as Python does: in the namespace of the module ``__main__``."""
    path.write_text(textwrap.dedent(PROGRAMS[name]))
    module = sys.modules["__main__"] = ModuleType("__main__")
    vars(module)["__file__"] = str(path)
    exec(compile(path.read_text(), path, "exec", dont_inherit=True), vars(module))
    return module


def at_once(function: Callable[..., Any], *given: Any) -> Any:  # Any: whatever it does
    return function(*given)


def in_a_worker(function: Callable[..., Any], *given: Any) -> Any:  # Any: likewise
    from cotality.core.utils.process import Task, execute_tasks_in_parallel

    return execute_tasks_in_parallel([Task.of(function, *given)], 1, True)[0]


def main(folder: Path) -> None:
    for name in PROGRAMS:
        told: list[str] = []
        for run in (at_once, in_a_worker):
            path = folder / (re.sub(r"\W", "_", name) + f"_{run.__name__}.py")
            try:
                told.append(repr(as_script(name, path).main(run)))
            except Exception:
                told.append(traceback.format_exc())
        print(json.dumps([name, told]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
