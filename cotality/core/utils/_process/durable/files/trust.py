"""Checks who may write to files whose content is unpickled: only their owner.

Unpickling can run any code. So a file that others can write to is refused, unless the
caller says that they are trusted.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from cotality._kit.struck import is_of_a_signal

from .errors import Kind

OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_trust(path: Path, kind: Kind, *also: Path) -> None:
    """See that nobody else may write to *path*, to its folder, or to *also*.

    Raises:
        JournalError: Somebody may, or the error of this *kind*.
    """
    if sys.platform == "win32":
        return  # who may do what is not in the mode there
    for each in (path, *also):
        who = writers_of(each)
        if who:
            raise refused(path, kind, each, who, f"chmod go-w {each}")
    folder = path.absolute().parent
    who = writers_of_folder(folder)
    if who:
        raise refused(path, kind, folder, who, "keep it in a folder of your own")


def refused(path: Path, kind: Kind, place: Path, who: str, way_out: str) -> Exception:
    name = "DeadLetters" if kind.name != "journal" else "Journal"
    return kind.error(
        f"the {kind.name} {path} is not used, because {who} may write to {place}: what "
        f"is pickled there can run any code in this program. Make it yours "
        f"({way_out}), or say that they are trusted: {name}(..., trust_others=True)."
    )


def writers_of(path: Path) -> str:
    """Who else may write to *path*, if anybody; nobody, if it is not there."""
    try:
        status = os.stat(path)
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return ""
    return other_owner(status) or others(status.st_mode)


def writers_of_folder(folder: Path) -> str:
    """Who else may put other files in the place of those in *folder*, if anybody."""
    try:
        status = os.stat(folder)
    except OSError as raised:
        if is_of_a_signal(raised):
            raise
        return ""
    if status.st_mode & stat.S_ISVTX:
        return ""  # as /tmp: only the owner of a file may replace it
    mode = status.st_mode
    if status.st_gid == status.st_uid:
        # A group of the owner alone, as most systems give to each user: there it is
        # usual that folders may be written by the group.
        mode &= ~stat.S_IWGRP
    return other_owner(status) or others(mode)


def other_owner(status: os.stat_result) -> str:
    own = os.geteuid()  # pyright: ignore[reportAttributeAccessIssue,reportUnknownVariableType]  # not called on Windows
    return "" if status.st_uid in (own, 0) else f"user {status.st_uid}"


def others(mode: int) -> str:
    if mode & stat.S_IWOTH:
        return "everybody"
    return "its group" if mode & stat.S_IWGRP else ""
