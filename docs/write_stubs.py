"""Writes what editors that only read the source see of the front doors: their stubs.

A front door imports each name when it is asked for, and its functions take most of
their options as ``**options``, which are declared once. So an editor that does not run
the program finds neither. The stub beside a front door has all names, with every option
as a parameter. Where the type of a result depends on an argument, the source has one
signature, and the stub an overload for each type: see `variants` and `arities`.
``python docs/write_stubs.py`` writes them anew, with ruff to lay them out; a test
compares.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEAD = "# Written by docs/write_stubs.py: a change here is lost."

# The front doors, and below which package their tables say where each name is.
DOORS = {
    "cotality": "",
    "cotality.core.utils.process": "cotality.core.utils._process",
    "cotality.tuning": "cotality.tuning",
    "cotality.jobs": "cotality",
    "cotality.flow": "cotality.flow",
    "cotality.joblib": "cotality.joblib._joblib",
    "cotality.web": "cotality.web._web",
}
ROOMS = "cotality.core.utils._process."
# Where floors have names from that are defined in the rooms of the core.
SEAMS = ("cotality.core.calls", "cotality.core.observing", "cotality.core.pools")
ITEMS = ("A", "B", "C")  # variables for the items of one to three iterables
NTH = ("second", "third", "fourth")
# What overloads are made of, and no source needs to import.
FOR_OVERLOADS = {
    "Any": "typing",
    "Callable": "collections.abc",
    "Iterable": "collections.abc",
    "Literal": "typing",
    "TypeVar": "typing",
    "overload": "typing",
}
# What `on_error` may be if failures are raised, or returned.
ON_ERROR = {"raise": 'Literal["raise", "group"] | None', "return": 'Literal["return"]'}
# The functions with flags that change types, besides what failures do: see `set_flag`.
FLAGS = {"execute": ("unpack", "verbose"), "execute_async": ("verbose",)}
FIRST = ("workers", "processes")  # as in the signatures


@dataclass
class Source:
    """A module as it is written."""

    name: str
    tree: ast.Module
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)

    def definitions(self, name: str, within: ast.AST | None = None) -> list[Any]:
        body: list[Any] = (within or self.tree).body  # type: ignore[attr-defined]
        return [
            each
            for each in body
            if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name
        ]

    def place_of(self, name: str) -> tuple[str, str] | None:
        """The module that has *name*, and what it is called there."""
        if name in self.imports:
            return self.imports[name]
        return None if hasattr(builtins, name) else (self.name, name)

    def home_of(self, name: str) -> Source:
        """The module where *name* is written down, behind whatever doors."""
        place = self.place_of(name)
        assert place is not None
        home = source_of(place[0])
        if home is self or home.definitions(name):
            return home
        return source_of(dict(places_in(home.name))[name])


@cache
def source_of(module: str) -> Source:
    file = import_module(module).__file__
    assert file is not None
    tree = ast.parse(Path(file).read_text("utf-8"))
    source = Source(module, tree)
    package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - each.level + 1]
            base = ".".join(above) if each.level else ""
            home = ".".join(part for part in (base, each.module) if part)
            for alias in each.names:
                source.imports[alias.asname or alias.name] = (home, alias.name)
        elif isinstance(each, ast.Import):
            for alias in each.names:
                source.imports[alias.asname or alias.name] = (alias.name, "")
    return source


def options_of(source: Source, name: str) -> dict[str, tuple[ast.expr, Source]]:
    """The options of a `TypedDict`: what their types are, and where that is written."""
    home = source.home_of(name)
    (declared,) = home.definitions(name)
    found: dict[str, tuple[ast.expr, Source]] = {}
    for base in declared.bases:
        if isinstance(base, ast.Name) and base.id != "TypedDict":
            found |= options_of(home, base.id)
    found |= {
        each.target.id: (each.annotation, home)
        for each in declared.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    return found


def unpacked(function: ast.FunctionDef) -> str:
    """The name of the `TypedDict` of its options; empty if it has none."""
    taken = function.args.kwarg
    if taken is None or not isinstance(taken.annotation, ast.Subscript):
        return ""
    inner = taken.annotation.slice
    return inner.id if isinstance(inner, ast.Name) else ""


def left_out(function: ast.FunctionDef) -> set[object]:
    """The options that it does not take, as its decorator says."""
    return {
        each.value
        for mark in function.decorator_list
        if isinstance(mark, ast.Call)
        for each in mark.args
        if isinstance(each, ast.Constant)
    }


class Stub:
    """What is collected for one stub."""

    def __init__(self, door: str) -> None:
        self.door = door
        self.needs: dict[str, tuple[str, str]] = {}  # by the name that is used
        self.exports: dict[str, tuple[str, str]] = {}
        self.body: list[ast.stmt] = []
        self.variables: dict[str, str] = {}
        self.taken: list[ast.arg] = []  # parameters that are written down elsewhere

    def use(self, node: ast.AST, source: Source) -> None:
        """Have what *node*, which stands in *source*, refers to."""
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and each.id not in self.known:
                self.use_name(each.id, source)

    def use_name(self, name: str, source: Source) -> None:
        if name in FOR_OVERLOADS:
            self.needs[name] = (FOR_OVERLOADS[name], name)
            return
        made = [
            each.value
            for each in source.tree.body
            if isinstance(each, ast.Assign)
            and [ast.unparse(target) for target in each.targets] == [name]
        ]
        for value in made:
            text = ast.unparse(value)  # with single quotes
            if text.startswith(("TypeVar(", "ParamSpec(")):
                self.variables[name] = text
                self.needs[text.partition("(")[0]] = ("typing", text.partition("(")[0])
                return
        place = source.place_of(name)
        if place is not None:
            self.needs[name] = self.allowed(*place)

    def allowed(self, home: str, name: str) -> tuple[str, str]:
        """Where this front door may have *name* from, which *home* defines.

        Only the front doors of the core may name its rooms.
        """
        if not home.startswith(ROOMS) or self.door.startswith("cotality.core"):
            return home, name
        for door in ("cotality.core.utils.process", *SEAMS):
            if (name, home) in places_in(door):
                return door, name
        raise LookupError(f"add {name} to what a module of cotality.core offers")

    def add_function(self, source: Source, name: str, thing: object) -> None:
        self.body += self.expanded(source, source.definitions(name), thing)

    def expanded(
        self, source: Source, definitions: list[ast.FunctionDef], thing: object
    ) -> list[ast.stmt]:
        """The definitions of one function, the first with every option by name."""
        *overloads, last = definitions
        many = overloads
        if last.args.vararg is not None and last.args.vararg.arg == "more":
            many = arities(last)
            self.add_variables(*ITEMS)
        elif not overloads and has_variants(last):
            many = variants(last)
            if "unpack" in flags_of(last):
                self.add_variables("T")
        made: list[ast.stmt] = []
        for place, each in enumerate(many or [last]):
            new = deepcopy(each)
            if any(ast.unparse(mark) == "around" for mark in new.decorator_list):
                assert isinstance(new.returns, ast.Subscript)
                assert isinstance(new.returns.slice, ast.Tuple)
                inner = new.returns.slice.elts[0]
                new.returns = ast.Subscript(ast.Name("Around"), inner)
            new.decorator_list = [
                mark for mark in new.decorator_list if ast.unparse(mark) == "overload"
            ]
            new.body = [ast.Expr(ast.Constant(...))]
            if place == 0:
                if unpacked(last):
                    self.take_options(new, source, unpacked(last), left_out(last))
                text = inspect.getdoc(thing)
                if text:
                    new.body.insert(0, ast.Expr(ast.Constant(text)))
            for defaulted in (*new.args.defaults, *new.args.kw_defaults):
                if isinstance(defaulted, ast.Name):
                    self.use(defaulted, source)
            self.use_signature(new, source)
            made.append(new)
        return made

    def use_signature(self, function: ast.FunctionDef, source: Source) -> None:
        args = function.args
        each = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        each += [one for one in (args.vararg, args.kwarg) if one is not None]
        for one in each:
            if one.annotation is not None and one not in self.taken:
                self.use(one.annotation, source)
        if function.returns is not None:
            self.use(function.returns, source)
        for mark in function.decorator_list:
            self.use(mark, source)

    def add_variables(self, *names: str) -> None:
        """Have variables for types, which no source need have."""
        for name in names:
            self.variables[name] = f"TypeVar('{name}')"
            self.needs["TypeVar"] = (FOR_OVERLOADS["TypeVar"], "TypeVar")

    @property
    def known(self) -> set[str]:
        """Names that are there without an import."""
        return {*vars(builtins), *self.variables}

    def take_options(
        self,
        function: ast.FunctionDef,
        source: Source,
        options: str,
        without: set[object],
    ) -> None:
        args = function.args
        own = {each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        defaults: dict[str, object] = import_module(
            "cotality.core.utils._process.call.options.declared"
        ).DEFAULTS
        keywords = list(zip(args.kwonlyargs, args.kw_defaults, strict=True))
        first: list[Any] = []
        for name, (annotation, home) in options_of(source, options).items():
            if name in own or name in without:
                continue
            self.use(annotation, home)
            default = ast.parse(repr(defaults.get(name)), mode="eval").body
            pair = (ast.arg(name, annotation), default)
            self.taken.append(pair[0])
            (first if name in FIRST else keywords).append(pair)
        keywords = [*first, *keywords]
        args.kwonlyargs = [each for each, _ in keywords]
        args.kw_defaults = [default for _, default in keywords]
        args.kwarg = None

    def add_class(self, source: Source, name: str, thing: type) -> None:
        """A class some of whose methods take options, without what is private."""
        (made,) = deepcopy(source.definitions(name))
        made.decorator_list = []
        for base in made.bases:
            self.use(base, source)
        body: list[ast.stmt] = []
        done: set[str] = set()
        for each in made.body:
            if isinstance(each, ast.AnnAssign):
                each.value = None
                self.use(each.annotation, source)
                body.append(each)
            elif isinstance(each, ast.FunctionDef):
                if each.name in done or is_private(each.name):
                    continue
                done.add(each.name)
                body += self.method(source, made, each.name, thing)
        doc = inspect.getdoc(thing)
        made.body = [*([ast.Expr(ast.Constant(doc))] if doc else []), *body]
        self.body.append(made)

    def method(
        self, source: Source, made: ast.ClassDef, name: str, thing: type
    ) -> list[ast.stmt]:
        there = [
            each
            for each in made.body
            if isinstance(each, ast.FunctionDef) and each.name == name
        ]
        marks = [ast.unparse(mark) for mark in there[-1].decorator_list]
        found = inspect.getattr_static(thing, name)
        if "property" in marks or "classmethod" in marks:
            (only,) = there
            only.body = [ast.Expr(ast.Constant(...))]
            self.use_signature(only, source)
            return [only]
        return self.expanded(source, there, found)

    def text(self) -> str:
        lines = [HEAD, "", ""]
        module = import_module(self.door)
        lines.insert(0, f'"""{module.__doc__}"""' if module.__doc__ else "")
        for name, (home, there) in sorted(self.needs.items()):
            if name in self.exports:
                continue
            lines.append(
                f"from {home} import {there} as {name}"
                if there and there != name
                else f"from {home} import {name}"
                if there
                else f"import {home}"
            )
        for name, (home, there) in sorted(self.exports.items()):
            lines.append(f"from {home} import {there} as {name}")
        for name, text in sorted(self.variables.items()):
            lines.append(f"_{name} = {text}".replace(f"'{name}'", f"'_{name}'"))
        lines.append(f"__all__ = {list(module.__all__)!r}")
        for each in self.body:
            named = Private(set(self.variables)).visit(each)
            lines += ["", ast.unparse(ast.fix_missing_locations(named))]
        return "\n".join(lines) + "\n"


class Private(ast.NodeTransformer):
    """Gives variables for types a name that nobody is offered."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:  # so is it called by ast
        return ast.Name(f"_{node.id}") if node.id in self.names else node


def is_private(name: str) -> bool:
    """Whether nobody calls *name*, or only a protocol does."""
    return name.startswith("_") and name not in {"__init__", "__call__", "__get__"}


def arities(function: ast.FunctionDef) -> list[ast.FunctionDef]:
    """The ways to call what takes ``items, *more``: with so many, and these failures.

    With one to three iterables, each with the type of its items; with more; with one
    whose items are unpacked. If *on_error* is not known, that takes an overload as
    well: where it tries each of its words, mypy does not know what a lambda takes.
    """
    made: list[ast.FunctionDef] = []
    for count in (1, 2, 3, 4, 0, None):
        for on_error in ("raise", "return", None):
            if count is None and on_error is not None:
                continue
            made.append(arity(function, count, on_error))
    return made


def arity(
    function: ast.FunctionDef, count: int | None, on_error: str | None
) -> ast.FunctionDef:
    """One of them.

    Args:
        count: Of iterables; 0 for one that is unpacked, None if that is not known.
        on_error: What failures mean; None if that is not known.
    """
    new = overload_of(function, on_error)
    args = new.args
    typed = ITEMS[: count or 0] if (count or 9) <= len(ITEMS) else ()
    items = "[" + ", ".join(typed) + "]" if typed else "..."
    me = [each for each in args.args if each.arg == "self"]
    given = [("items", typed[0] if typed else "Any")]
    given += [(NTH[n - 1], typed[n] if typed else "Any") for n in range(1, count or 1)]
    if me:
        # Not `ParallelFunction[[A], R]`: of its parameters mypy would want the names.
        me[0].annotation = expression(f"Callable[{items}, R]")
    named = [] if me else [("function", f"Callable[{items}, R]")]
    named += [(name, f"Iterable[{kind}]") for name, kind in given]
    args.posonlyargs = [*me, *(ast.arg(n, expression(kind)) for n, kind in named)]
    args.args = []
    args.vararg = ast.arg("more", expression("Iterable[Any]")) if count == 4 else None
    unpack = {0: "Literal[True]", None: "bool"}.get(count, "Literal[False]")
    limit(new, "unpack", unpack, is_needed=not count)
    meant = ON_ERROR.get(on_error or "", 'Literal["raise", "return", "group"] | None')
    is_needed = on_error != "raise" and count is not None
    limit(new, "on_error", meant, is_needed=is_needed)
    return new


def variants(function: ast.FunctionDef) -> list[ast.FunctionDef]:
    """The ways to call what returns `list[R] | list[R | Exception]`, or the like.

    First those where each flag is known. Then those where one is not: the flags before
    it have their defaults, and those after it may be anything.
    """
    flags = flags_of(function)
    made: list[ast.FunctionDef] = []
    for values in product((False, True), repeat=len(flags)):
        for new in with_failures(function):
            for flag, value in zip(flags, values, strict=True):
                set_flag(new, flag, value)
            made.append(new)
    for place in reversed(range(len(flags))):
        new = overload_of(function, None)
        for flag in flags[:place]:
            set_flag(new, flag, False)
        limit(new, flags[place], "bool", is_needed=True)
        made.append(new)
    return made


def with_failures(function: ast.FunctionDef) -> list[ast.FunctionDef]:
    """The ways to say what failures mean: with *on_error* or *return_exceptions*.

    If *on_error* is not known, type checkers try each of its words, so that takes no
    way of its own.
    """
    raised = overload_of(function, "raise")
    limit(raised, "on_error", ON_ERROR["raise"])
    returned = overload_of(function, "return")
    limit(returned, "on_error", ON_ERROR["return"], is_needed=True)
    flag = parameters(function).get("return_exceptions")
    if flag is None:
        return [raised, returned]
    limit(raised, flag.arg, "Literal[False]")
    placed = overload_of(function, "return")
    limit(placed, "on_error", f"{ON_ERROR['return']} | None")
    named = by_name(placed, flag.arg)
    for new in (named, placed):
        limit(new, flag.arg, "Literal[True]", is_needed=True)
    if flag in function.args.kwonlyargs:
        return [raised, named, returned]
    assert raised.returns is not None
    # What yields results also yields results or failures; a list is no other list.
    is_list = "list[" in ast.unparse(raised.returns)
    unknown = overload_of(function, None if is_list else "return")
    return [raised, named, placed, returned, unknown]


def has_variants(function: ast.FunctionDef) -> bool:
    """Whether the type of its result depends on what failures mean."""
    if "on_error" not in parameters(function):
        return False
    raised, returned = (overload_of(function, each) for each in ON_ERROR)
    return ast.dump(raised) != ast.dump(returned)


def flags_of(function: ast.FunctionDef) -> tuple[str, ...]:
    return FLAGS.get(function.name, ())


def parameters(function: ast.FunctionDef) -> dict[str, ast.arg]:
    args = function.args
    return {each.arg: each for each in (*args.args, *args.kwonlyargs)}


def overload_of(function: ast.FunctionDef, on_error: str | None) -> ast.FunctionDef:
    """One that returns what *function* does with such failures; None: with any."""
    new = deepcopy(function)
    new.decorator_list = [ast.Name("overload")]
    if on_error is not None and new.returns is not None:
        new.returns = Side(on_error).visit(new.returns)
    return new


class Side(ast.NodeTransformer):
    """Leaves one side of `list[R] | list[R | Exception]`, wherever that stands."""

    def __init__(self, on_error: str) -> None:
        self.on_error = on_error

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:  # so is it called by ast
        if "| Exception" not in ast.unparse(node.right):
            return node  # another union, or `R | Exception` itself
        return node.left if self.on_error == "raise" else node.right


def limit(
    function: ast.FunctionDef, name: str, kind: str, *, is_needed: bool = False
) -> None:
    """Let a parameter have another type; and no default, if it has to be given."""
    args = function.args
    parameter = parameters(function)[name]
    parameter.annotation = expression(kind)
    if is_needed and parameter in args.kwonlyargs:
        args.kw_defaults[args.kwonlyargs.index(parameter)] = None
    elif is_needed:  # so have those before it
        after = len(args.args) - args.args.index(parameter) - 1
        args.defaults = args.defaults[len(args.defaults) - after :]


def by_name(function: ast.FunctionDef, name: str) -> ast.FunctionDef:
    """*function* if the parameter *name*, and what follows it, is given by name."""
    new = deepcopy(function)
    args = new.args
    while name in {each.arg for each in args.args}:
        args.kwonlyargs.insert(0, args.args.pop())
        args.kw_defaults.insert(0, args.defaults.pop())
    return new


def set_flag(function: ast.FunctionDef, flag: str, value: bool) -> None:
    """Let *flag* have this *value*, and other types be what they then are."""
    limit(function, flag, f"Literal[{value}]", is_needed=value)
    there = parameters(function)
    if flag == "unpack" and not value:
        there["func"].annotation = expression("Callable[[T], R]")
        there["data"].annotation = expression("Iterable[T]")
    if flag == "verbose" and value:
        assert function.returns is not None
        text = ast.unparse(function.returns)
        function.returns = expression(text.replace("list[", "ExecutionResult["))


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def takes_options(each: ast.AST) -> bool:
    if isinstance(each, ast.FunctionDef):
        return bool(unpacked(each))
    if isinstance(each, ast.ClassDef):
        return any(takes_options(one) for one in each.body)
    return False


def places_in(door: str) -> Iterator[tuple[str, str]]:
    """Each name of a front door, and the module that has it."""
    module = import_module(door)
    if door == "cotality":
        for name in module.__all__:
            yield name, "cotality.core.utils.process"
        return
    for name, place in module.LATER.items():
        if place.startswith("."):
            yield name, f"{door}{place}"
        elif place.startswith("cotality."):
            yield name, place
        elif door in SEAMS:
            yield name, f"{ROOMS}{place}"
        else:
            yield name, f"{DOORS[door]}.{place}"


def written_here(door: str) -> set[str]:
    """The names of a front door whose definitions its stub has itself.

    What takes options, and what mentions a class that does.
    """
    found: set[str] = set()
    classes: set[str] = set()
    there = {
        name: source_of(place).definitions(name) for name, place in places_in(door)
    }
    for name, each in there.items():
        if each and takes_options(each[-1]):
            found.add(name)
            classes |= {name} if isinstance(each[-1], ast.ClassDef) else set()
    for name, each in there.items():
        if each and isinstance(each[-1], ast.FunctionDef):
            said = each[-1].returns
            if said is not None and classes & set(
                re.findall(r"\w+", ast.unparse(said))
            ):
                found.add(name)
    return found


def stub_of(door: str) -> str:
    """The stub of a front door, not yet laid out."""
    stub = Stub(door)
    written = written_here(door)
    for name, place in places_in(door):
        source = source_of(place)
        there = source.definitions(name)
        if name in written:
            thing = getattr(import_module(place), name)
            if isinstance(there[-1], ast.ClassDef):
                stub.add_class(source, name, thing)
            else:
                stub.add_function(source, name, thing)
        else:
            stub.exports[name] = (place, name)
    for name in import_module(door).__all__:
        stub.needs.pop(name, None)
    return stub.text()


def path_of(door: str) -> Path:
    file = import_module(door).__file__
    assert file is not None
    return Path(file).with_suffix(".pyi")


def laid_out(text: str, path: Path) -> str:
    """*text* as ruff writes it."""
    for command in (["check", "--select", "I", "--fix", "-q"], ["format", "-q"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", path, "-"],
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        text = ended.stdout
    return text


if __name__ == "__main__":
    for door in DOORS:
        file = path_of(door)
        file.write_text(laid_out(stub_of(door), file), "utf-8")
