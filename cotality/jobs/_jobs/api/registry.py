"""The functions of a `Jobs` by their names, and what its queues may do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cotality._kit.safe_text import class_and_text
from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.engines.protocol import Limits
from cotality.jobs._jobs.errors.errors import UnknownJobError

from .definition import Definition

DEFAULT_QUEUE = "default"


class Registry:
    """What was marked with ``@jobs.job``, here and in other modules."""

    modules: tuple[str, ...]

    def __init__(self, modules: Iterable[str]) -> None:
        self.modules = tuple(modules)
        self.jobs: dict[str, Definition] = {}
        self.limits: dict[str, Limits] = {}
        self.listeners: dict[str, list[Definition]] = {}

    def add(self, job: Definition) -> None:
        known = self.jobs.get(job.name)
        if known is not None and code_of(known.function) != code_of(job.function):
            raise ValueError(
                f"there is a job {job.name!r} already: give one of them another name, "
                f"@jobs.job(name=...)"
            )
        self.jobs[job.name] = job

    def queues(self) -> set[str]:
        used = {job.options.queue for job in self.jobs.values()}
        return {DEFAULT_QUEUE, *used, *self.limits}

    def import_modules(self) -> dict[str, Exception]:
        """Import all that have jobs; what the import of some has raised."""
        failed: dict[str, Exception] = {}
        for module in self.modules:
            try:
                importlib.import_module(module)
            except Exception as error:
                if is_of_a_signal(error):
                    raise
                failed[module] = error
        return failed

    def found(self, name: str) -> Definition:
        """The job *name*, whose module is imported if that is one of ours.

        Raises:
            UnknownJobError: There is none.
            Exception: What the import of its module raises.
        """
        if name in self.jobs:
            return self.jobs[name]
        failed = self.import_modules()
        module = name.rpartition(".")[0]
        if module in failed:
            raise failed[module]
        # A name in the store does not make us import just anything.
        if name not in self.jobs and self.is_ours(module):
            importlib.import_module(module)
        if name not in self.jobs:
            raise self.unknown(name, failed)
        return self.jobs[name]

    def unknown(self, name: str, failed: dict[str, Exception]) -> UnknownJobError:
        known = ", ".join(sorted(self.jobs)) or "none"
        text = f"nobody knows a job {name!r} here; known are {known}"
        for module, error in failed.items():
            text += f"; {module} could not be imported: {class_and_text(error)}"
        return UnknownJobError(
            f"{text}. Import its module where the Jobs is made, or name it there: "
            f"Jobs(url, modules=[...])"
        )

    def is_ours(self, module: str) -> bool:
        roots = {job.module.partition(".")[0] for job in self.jobs.values()}
        roots |= {each.partition(".")[0] for each in self.modules}
        return module.partition(".")[0] in roots and module not in sys.modules


def code_of(function: Callable[..., Any]) -> tuple[str, str]:
    """Alike for what a module defines again when it is reloaded."""
    code = getattr(function, "__code__", None)
    return getattr(code, "co_filename", ""), getattr(function, "__qualname__", "")


def module_of(function: Callable[..., Any]) -> str:
    """By which name others can import the module that *function* is in."""
    if function.__module__ != "__main__":
        return function.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"
