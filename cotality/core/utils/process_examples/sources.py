"""The input of most examples: the source files of the standard library."""

from __future__ import annotations

import os
from pathlib import Path
from sysconfig import get_path

from cotality._kit.records import NamedTuple

from .output import CannotRunError

NOT_MODULES = {"__pycache__", "dist-packages", "site-packages"}
TESTS = {"idle_test", "test", "tests"}


class Source(NamedTuple):
    """A file of the standard library."""

    name: str  # its path inside the library, with forward slashes
    content: bytes


def library_folder() -> Path:
    """Where this Python says that its standard library is."""
    return Path(get_path("stdlib"))


def standard_library() -> list[Source]:
    """The modules of the standard library, without its tests, sorted by path.

    A file that cannot be read is left out.

    Raises:
        CannotRunError: There are none.
    """
    folder = library_folder()
    sources = [source for file in python_files(folder) for source in read(folder, file)]
    if not sources:
        raise CannotRunError(
            f"it needs the source files of the standard library, and there are none "
            f"that can be read in {str(folder)!r}, where this Python says they are. "
            f"They may be zipped, or not installed."
        )
    return sources


def python_files(folder: Path) -> list[Path]:
    """All Python files below *folder* that are neither tests nor installed packages."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = set(folders) - NOT_MODULES - TESTS
        found += [Path(place, name) for name in names if name.endswith(".py")]
    return sorted(found)


def read(folder: Path, file: Path) -> list[Source]:
    """*file* as a list of one, or of none if it cannot be read."""
    try:
        return [Source(file.relative_to(folder).as_posix(), file.read_bytes())]
    except OSError:  # no permission, or a link to nothing: there are enough others
        return []


def some_of(sources: list[Source], scale: float) -> list[Source]:
    """An even selection of *sources*: all for a *scale* of 1, every tenth for 0.1."""
    return sources[:: max(1, round(1 / scale))]
