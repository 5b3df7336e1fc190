"""What a worker does around the tasks of joblib, so that joblib inside of them knows.

joblib lets calls inside of tasks run on threads, and calls inside of those in a plain
loop, so that n workers do not start n workers each. Which it is, joblib keeps for each
thread. In a worker it is imported only if a task does that: it takes 0.3 s.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from cotality.core.pools import Chunk, ChunkReport, run_chunk

from .making import NAME, make_backend

MODULE = "joblib.parallel"


def run_below(level: int, chunk: Chunk, time_box: float, /) -> ChunkReport:
    """As `run_chunk`, for tasks that are *level* calls of joblib deep."""
    with below(level):
        return run_chunk(chunk, time_box)


@contextmanager
def below(level: int) -> Generator[None, None, None]:
    """Calls of joblib made in this thread are *level* calls deep."""
    finder = Finder(level)
    if MODULE in sys.modules:
        finder.tell()
    else:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.leave()


class Finder:
    """Tells joblib, when it is imported, how deep it is."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.told: Any = None  # Any: joblib has no types

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if name != MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader, self)  # type: ignore[assignment]  # as one
        return spec

    def tell(self) -> None:
        """Let joblib know, now that it is there."""
        module: Any = sys.modules[MODULE]  # Any: as above
        module.register_parallel_backend(NAME, make_backend)
        # What joblib takes inside of workers of its own.
        is_deep = self.level > 1
        kind = module.SequentialBackend if is_deep else module.ThreadingBackend
        backend = kind(nesting_level=self.level)
        self.told = module.parallel_config(backend=backend, n_jobs=None)

    def leave(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if self.told is not None:
            self.told.unregister()


class Loader:
    """Loads joblib as its own loader does, and then tells it."""

    def __init__(self, loader: Any, finder: Finder) -> None:  # Any: of any kind
        self.loader = loader
        self.finder = finder

    def __getattr__(self, name: str) -> Any:  # Any: as above
        return getattr(self.loader, name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.finder.tell()
