"""How a warning travels from a worker to the parent, which issues it again.

So the parent's own filters and registries decide: "once" means once in the whole
program and not once for each worker, and code that records warnings there gets it.
"""

from __future__ import annotations

import builtins
import pickle
import sys
import warnings
from types import FrameType
from typing import Any

from cotality._kit.safe_text import text_of
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.pickling.encode import decode, encode

# For modules that the parent has not imported: where each of them has warned already.
registries: dict[str, dict[Any, Any]] = {}  # Any: the warnings module's own


def pack_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int
) -> bytes:
    """A warning that is being shown; called by who shows it."""
    try:
        warning = encode(message if isinstance(message, Warning) else category(message))
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        warning = b""
    builtin = next(each for each in category.mro() if each.__module__ == "builtins")
    text = text_of(message) if isinstance(message, Warning) else message
    if builtin is not category:
        text = f"{category.__name__}: {text}"
    module = module_at(filename, lineno)
    whole = warning, builtin.__name__, text, filename, lineno, module
    return pickle.dumps(whole, pickle.HIGHEST_PROTOCOL)


def module_at(filename: str, lineno: int) -> str | None:
    """The module that runs that line now: a filter may ask for it.

    None for a warning about something else, such as a file that is compiled.
    """
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # nothing else tells who calls
    while frame is not None:
        if frame.f_lineno == lineno and frame.f_code.co_filename == filename:
            name: str | None = frame.f_globals.get("__name__")
            return name
        frame = frame.f_back
    return None


def issue(packed: bytes) -> None:
    """Issue the warning that :func:`pack_warning` packed, where it came from."""
    data, builtin, text, filename, lineno, module = pickle.loads(packed)
    message = unpack_warning(data)
    if message is None:
        stand_in: Warning = getattr(builtins, builtin)(text)
        message = stand_in
    category: type[Warning] = type(message)
    try:
        warnings.warn_explicit(
            message, category, filename, lineno, module, registry_of(module or filename)
        )
    except Warning:
        # A filter has become "error" since the task went on. It can fail no more.
        warnings.showwarning(message, category, filename, lineno)


def unpack_warning(data: bytes) -> Warning | None:
    try:
        message: Warning = decode(data)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return None
    return message


def registry_of(module: str) -> dict[Any, Any]:  # Any: the warnings module's own
    """Where the warnings module remembers what *module* has warned of.

    That of the module itself, if it is here: what it has warned of here as well.
    """
    here = sys.modules.get(module)
    names = registries.setdefault(module, {}) if here is None else vars(here)
    registry: dict[Any, Any] = names.setdefault("__warningregistry__", {})
    return registry
