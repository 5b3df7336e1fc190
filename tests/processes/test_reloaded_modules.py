"""Warm workers do not go on with code that the program has replaced."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cotality.core.utils._process.workers.lending import program_state
from cotality.core.utils.process import Task, execute_tasks_in_parallel
from cotality.tuning import PoolManager, managed_pool
from tests.kit.helpers import pid
from tests.kit.limits import LONG_S

NAME = "cotality_reloaded"
INNER = "cotality_reloaded_inner"


class Editor:
    """Two modules on disk, of which the outer one asks the inner one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.edits = folder, 0
        source = f"import {INNER}\ndef version():\n    return {INNER}.version()\n"
        (folder / f"{NAME}.py").write_text(source, "utf-8")
        self.write("old")
        self.outer: Any = importlib.import_module(NAME)  # Any: made just now
        self.inner: Any = sys.modules[INNER]

    def write(self, version: str) -> None:
        # Python has the kept code of a file for that of one that was edited within a
        # second and has kept its size.
        self.edits += 1
        source = f"def version():\n    return {version!r}{'#' * self.edits}\n"
        (self.folder / f"{INNER}.py").write_text(source, "utf-8")


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Editor]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Editor(tmp_path)
    for name in (NAME, INNER):
        sys.modules.pop(name, None)


def reload(module: ModuleType) -> None:
    importlib.reload(module)


def import_anew(module: ModuleType) -> None:
    """What pages that are run again do (Streamlit)."""
    del sys.modules[module.__name__]
    sys.modules[NAME].__dict__[INNER] = importlib.import_module(module.__name__)


@pytest.mark.parametrize("renew", [reload, import_anew])
def test_a_task_runs_the_code_that_the_program_has(
    editor: Editor, renew: Callable[[ModuleType], None]
) -> None:
    """Also code that its function only calls."""
    tasks = [Task(editor.outer.version)]
    before = execute_tasks_in_parallel(tasks, 1, True)

    editor.write("new")
    renew(editor.inner)

    assert editor.outer.version() == "new"
    assert (before, execute_tasks_in_parallel(tasks, 1, True)) == (["old"], ["new"])


def test_a_manager_replaces_its_workers(editor: Editor) -> None:
    """All of them: what its initializer made is of the old code, too."""
    with managed_pool(1) as manager:
        before = versions_in(manager, editor)

        editor.write("new")
        reload(editor.inner)

        assert (before, versions_in(manager, editor)) == (["old"], ["new"])
        assert len(manager.status().pids) == 1


def versions_in(manager: PoolManager, editor: Editor) -> list[str]:
    return manager.execute(editor.outer.version, [()], unpack=True)


def test_threads_that_look_at_the_same_time_see_the_same(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each of many requests would have workers of its own after a reload."""
    count = 8
    before = program_state.current()
    looked_at = program_state.looked_at
    all_have_looked = threading.Barrier(count)

    def look(known: Any) -> Any:
        found = looked_at(known)
        all_have_looked.wait(LONG_S)
        return found

    reload(editor.inner)
    with monkeypatch.context() as patch, ThreadPoolExecutor(count) as threads:
        patch.setattr(program_state, "looked_at", look)
        states = [threads.submit(program_state.current) for _ in range(count)]
        codes = {id(each.result(LONG_S).code) for each in states}

    assert len(codes) == 1
    assert codes == {id(program_state.current().code)} != {id(before.code)}


def test_a_call_that_runs_keeps_its_workers(editor: Editor) -> None:
    """A reload between two portions of a manager's call ends none of its tasks."""

    def items() -> Iterator[tuple[()]]:
        yield ()
        editor.write("new")
        reload(editor.inner)
        assert versions_in(manager, editor) == ["new"]
        yield from [()] * 3

    with managed_pool(1) as manager:
        assert (
            manager.execute(editor.outer.version, items(), unpack=True) == ["old"] * 4
        )
        assert versions_in(manager, editor) == ["new"]


def test_a_module_that_is_new_is_no_reason(editor: Editor) -> None:
    """Workers import it when they need it."""
    [before] = execute_tasks_in_parallel([Task(pid)], 1, True)
    (editor.folder / "cotality_one_more.py").write_text("", "utf-8")

    importlib.import_module("cotality_one_more")

    assert execute_tasks_in_parallel([Task(pid)], 1, True) == [before]
    assert before != os.getpid()
    del sys.modules["cotality_one_more"]


def test_one_that_takes_the_place_of_another_is_watched(editor: Editor) -> None:
    """As many modules as before are not the same ones."""
    sys.modules["cotality_gone"] = ModuleType("cotality_gone")
    program_state.current()
    del sys.modules["cotality_gone"]
    (editor.folder / "cotality_one_more.py").write_text("", "utf-8")
    module = importlib.import_module("cotality_one_more")
    before = program_state.current()

    reload(module)

    assert program_state.current() != before
    assert program_state.current() == program_state.current()
    del sys.modules["cotality_one_more"]


class LoadedLater(ModuleType):
    """Stands for a module that is loaded when somebody looks into it."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"somebody asked for {name}")


def test_what_else_is_among_the_modules_is_left_alone() -> None:
    """Programs put all sorts of things there; nothing of them is called."""
    things: dict[str, Any] = {
        "cotality_later": LoadedLater("cotality_later"),
        "cotality_none": None,
        "cotality_object": object(),
    }
    sys.modules.update(things)
    try:
        before = program_state.current()
        assert program_state.current() == before
    finally:
        for name in things:
            del sys.modules[name]
