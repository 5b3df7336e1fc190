"""Reading a file of records, whoever may be writing to it at the same time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from .errors import JournalError

# The version of the format. A reader of ours reads all up to this one.
VERSION = 1
MAGIC = '{"cotality": "'  # what every such file begins with

Fields: TypeAlias = dict[str, Any]  # Any: what JSON can hold


@dataclass(frozen=True, slots=True)
class Record:
    """One line that was written completely.

    Attributes:
        offset: Where in the file it begins, in bytes.
        line: Its number, from 1; the header is the first.
        size: Its length in bytes.
    """

    offset: int
    line: int
    fields: Fields
    size: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that is complete and says nothing: something else has written there."""

    offset: int
    line: int
    text: str


def read_records(path: Path, kind: str) -> Iterator[Record | Damage]:
    """All records of *path* after its header.

    A last line without an end is not there yet, or never will be: whoever wrote it was
    killed, or is about to finish it. It is left out.

    Raises:
        JournalError: It is not a file of this *kind*, or of a newer version.
        FileNotFoundError: There is no such file.
    """
    with path.open("rb") as file:
        header = file.readline()
        check_header(path, kind, header)
        yield from records_of(file, len(header))


def records_of(file: BinaryIO, offset: int) -> Iterator[Record | Damage]:
    for number, line in enumerate(file, 2):
        if not line.endswith(b"\n"):
            return
        fields = fields_of(line)
        if fields is None:
            yield Damage(offset, number, line[:80].decode("utf-8", "replace").rstrip())
        else:
            yield Record(offset, number, fields, len(line))
        offset += len(line)


def fields_of(line: bytes) -> Fields | None:
    """What *line* says; None if it is not a record."""
    try:
        fields = json.loads(line.decode())  # of bytes it would guess the encoding
    except ValueError:  # UnicodeDecodeError is one
        return None
    if not isinstance(fields, dict):
        return None
    known = cast("Fields", fields)
    return known if isinstance(known.get("event"), str) else None


def header_of(kind: str, **more: object) -> bytes:
    """The first line of a file of this *kind*."""
    return json.dumps({"cotality": kind, "version": VERSION, **more}).encode() + b"\n"


def is_torn_header(start: bytes) -> bool:
    """Whether a file with this content was killed while its header was written."""
    return b"\n" not in start and (
        start.startswith(MAGIC.encode()) or MAGIC.encode().startswith(start)
    )


def check_header(path: Path, kind: str, line: bytes) -> None:
    """See that a file that begins with *line* can be read.

    Raises:
        JournalError: It cannot.
    """
    if is_torn_header(line):
        return  # nothing else can be in there
    try:
        header = json.loads(line)
        found, version = header["cotality"], header["version"]
    except (ValueError, KeyError, TypeError):
        raise JournalError(
            f"{path} is no {kind} of cotality, so nothing is written to it. Choose "
            f"another path."
        ) from None
    if found != kind:
        raise JournalError(f"{path} holds a {found}, not a {kind}. Mixed up two paths?")
    if not isinstance(version, int) or version > VERSION:
        raise JournalError(
            f"{path} was written by a newer cotality, in version {version} of the "
            f"format; this one reads version {VERSION}. Update cotality, or choose "
            f"another path."
        )
