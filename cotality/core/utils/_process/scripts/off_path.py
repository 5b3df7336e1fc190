"""Modules that a worker cannot import by their name.

A program may load a module from a file, or from a folder that is on the import path
only for a moment: pytest with ``--import-mode=importlib``, Celery, many plugins. Such a
module goes to a worker as its name and its file. A module without a file, made at run
time, travels by value, as a script does; so does what runs in `runpy.run_path`.
"""

from __future__ import annotations

import importlib
import os
import sys
import weakref
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

from cotality._kit.public import pickled_as
from cotality._kit.struck import is_of_a_signal

# The file of each module, and the folders of its own modules if it is a package.
Files: TypeAlias = dict[str, tuple[str | None, list[str] | None]]

SOURCES = (".py", ".pyc")


class Seen:
    """What the last look at the modules of this process has found.

    Attributes:
        files: Those with a file that the import path does not lead to.
        made: Those without one.
        needles: What a pickle holds that names one of them.
    """

    count = -1
    path: tuple[object, ...] = ()
    folders: set[str] = set()  # noqa: RUF012  # replaced, never changed
    known: dict[str, weakref.ref[ModuleType]] = {}  # noqa: RUF012  # looked at before
    files: Files = {}  # noqa: RUF012  # likewise
    made: frozenset[str] = frozenset()
    needles: tuple[bytes, ...] = ()


seen = Seen()
nothing = object()


def needles() -> tuple[bytes, ...]:
    """What a pickle holds that names a module which only this process can import."""
    if len(sys.modules) != seen.count or tuple(sys.path) != seen.path:
        look()
    return seen.needles


def are_named_in(data: bytes) -> bool:
    """Whether *data*, a pickle, may name such a module."""
    return any(data.find(needle) >= 0 for needle in needles())


def look() -> None:
    """Look at the modules that were not there the last time."""
    modules: dict[str, Any] = dict(sys.modules)  # Any: anybody may put things there
    path: tuple[object, ...] = tuple(sys.path)
    if path != seen.path:
        seen.known, seen.files, seen.made = {}, {}, frozenset()
        texts = [each for each in path if isinstance(each, str)]  # none sees others
        seen.folders = {absolute(each or os.curdir) for each in texts}
    # Held weakly: at the end of the program modules go in an order of their own.
    known = {n: m for n, m in seen.known.items() if m() is modules.get(n, nothing)}
    files = {name: place for name, place in seen.files.items() if name in known}
    made = set(seen.made & known.keys())
    news = [name for name in modules if name not in known]
    for name in sorted(news, key=lambda name: name.count(".")):
        module = modules[name]
        if type(module) is not ModuleType or name in ("__main__", "__mp_main__"):
            continue
        known[name] = weakref.ref(module)
        try:
            if module.__name__ == name:  # else it is an alias
                look_at(name, module, seen.folders, files, made)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            continue  # a module that answers in its own way; imports may know better
    seen.known, seen.files, seen.made = known, files, frozenset(made)
    seen.needles = tuple(name.encode() for name in (*files, *made))
    seen.count, seen.path = len(modules), path


def absolute(path: str) -> str:
    return path if path.startswith(os.sep) else os.path.abspath(path)


def look_at(
    name: str, module: ModuleType, folders: set[str], files: Files, made: set[str]
) -> None:
    package, _, _ = name.rpartition(".")
    file = vars(module).get("__file__")
    if package:
        parent = sys.modules.get(package)
        if package not in files and package not in made and parent is not None:
            if file is None or is_in(folders_of_package(parent), module):
                return
        elif package in made:
            return
        if file is not None and file.endswith(SOURCES):
            files[name] = place_of(module)
        return
    if file is None and "__path__" in vars(module):
        # A folder without a file of its own gives way to packages of that name.
        spec = PathFinder.find_spec(name)
        around = None if spec is None else spec.submodule_search_locations
        if around is None or list(around) != list(module.__path__):
            files[name] = None, None  # what is in it is found by files of its own
        return
    if file is None or (has_no_loader(module) and not is_in(folders, module)):
        if is_made(name, module):
            made.add(name)
        return
    if not file.endswith(SOURCES) or is_in(folders, module):
        return
    if not is_known_to_imports(module):
        files[name] = place_of(module)


def folders_of_package(package: ModuleType) -> set[str]:
    return {absolute(each) for each in getattr(package, "__path__", ())}


def is_in(folders: set[str], module: ModuleType) -> bool:
    """Whether an import of its name finds the file of *module* in one of *folders*.

    A program may give a module another name than its file has.
    """
    file = str(module.__file__)
    if "__path__" in vars(module):
        file = os.path.dirname(file)
    called = os.path.basename(file).partition(".")[0]
    own = module.__name__.rpartition(".")[2]
    return called == own and folder_of(module) in folders


def folder_of(module: ModuleType) -> str:
    """The folder in which an import finds *module*."""
    folder = absolute(str(module.__file__)).rpartition(os.sep)[0]
    return folder.rpartition(os.sep)[0] if "__path__" in vars(module) else folder


def place_of(module: ModuleType) -> tuple[str | None, list[str] | None]:
    file, path = getattr(module, "__file__", None), getattr(module, "__path__", None)
    return file, None if path is None else list(path)


def is_made(name: str, module: ModuleType) -> bool:
    """Whether somebody has made *module* and put functions or classes into it.

    So does `runpy.run_path`: with a name of its own, and what a file defines.
    """
    if not has_no_loader(module) or "__path__" in vars(module):
        return False
    return any(
        getattr(thing, "__module__", None) == name
        for thing in list(vars(module).values())
        if type(thing) is FunctionType or isinstance(thing, type)
    )


def has_no_loader(module: ModuleType) -> bool:
    spec = getattr(module, "__spec__", None)
    loader = getattr(spec, "loader", None) or getattr(module, "__loader__", None)
    return loader is None


def is_known_to_imports(module: ModuleType) -> bool:
    """Whether something else than the path leads to it: a zip file, an editable one."""
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    if type(loader).__module__ not in ("_frozen_importlib_external", "importlib"):
        name = f"{type(loader).__module__}.{type(loader).__qualname__}"
        return not name.startswith(("_pytest.", "importlib."))
    for finder in sys.meta_path:
        if isinstance(finder, type) or finder is ours:
            continue  # those of Python itself, which follow the path
        try:
            if finder.find_spec(module.__name__, None) is not None:
                return not type(finder).__module__.startswith("_pytest.")
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            continue  # it cannot say
    return False


# How functions and classes of them are pickled.


def reference(thing: Any) -> Any:  # Any: a function or class, and what pickle takes
    """*thing* by name and file, or None if an import finds it, or nothing does."""
    module = getattr(thing, "__module__", None)
    if module not in seen.files:
        return None
    name = getattr(thing, "__qualname__", "<>")
    if found_in(sys.modules.get(module), name) is not thing:
        return None
    return found, (seen.files, module, name)


@pickled_as("import_from_files")
def found(files: Files, module: str, name: str) -> Any:  # Any: as above
    """What is called *name* in *module*, which may have to be loaded from its file."""
    ours.files.update(files)
    if ours not in sys.meta_path:
        sys.meta_path.append(ours)
    return found_in(importlib.import_module(module), name)


def found_in(module: Any, name: str) -> Any:  # Any: as above
    thing = module
    for each in name.split("."):
        thing = getattr(thing, each, None)
    return thing


class FinderOfFiles:
    """Finds modules by the files that another process has told of."""

    def __init__(self) -> None:
        self.files: Files = {}

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        from importlib.util import spec_from_file_location

        if name in self.files:
            file, folders = self.files[name]
            if file is not None:
                return spec_from_file_location(
                    name, file, submodule_search_locations=folders
                )
        if any(known.startswith(f"{name}.") for known in self.files):
            return ModuleSpec(name, None, is_package=True)  # there is nothing in it
        return None


ours = FinderOfFiles()
