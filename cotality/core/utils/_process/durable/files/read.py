"""Reads a file of records, even while somebody writes to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

from cotality._kit.records import dataclass

from .errors import Kind
from .handle import reader_of
from .seal import id_in, is_sealed, new_id, sealed

# The version of the format. A reader of ours reads all up to this one.
VERSION = 1
MAGIC = b'{"cotality": "'  # what every such file begins with
SHOWN = 80  # bytes of a damaged line
LOOKED_AT = 1000  # lines, of a file that does not begin as it should
MOST = 1 << 20  # bytes of each

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
    """A line that is complete, and not what was written there."""

    offset: int
    line: int
    text: str


def read_records(
    path: Path, kind: Kind, *, skip_damaged: bool = True
) -> Iterator[Record | Damage]:
    """All records of *path* after its header.

    A last line without an end is not there yet, or never will be: whoever wrote it was
    killed, or is about to finish it. It is left out.

    Args:
        skip_damaged: Read on if it is the header that is damaged.

    Raises:
        JournalError: It is not a file of this *kind*, or of a newer version.
        FileNotFoundError: There is no such file.
    """
    with closing(reader_of(path)) as file:
        header = file.readline()
        file_id = checked_id(path, kind, header, skip_damaged=skip_damaged)
        if file_id is not None and not is_sealed(header, file_id):
            yield damage_of(0, 1, header)
        yield from records_of(file, len(header), file_id)


def records_of(
    file: BinaryIO, offset: int, file_id: bytes | None, line: int = 2
) -> Iterator[Record | Damage]:
    """What stands in *file* from *offset* on, where the line with this number begins.

    Args:
        file_id: None if there is nothing complete in it.
    """
    for number, text in enumerate(file, line):
        if not text.endswith(b"\n") or file_id is None:
            return
        fields = fields_of(text, file_id)
        if fields is None:
            yield damage_of(offset, number, text)
        else:
            yield Record(offset, number, fields, len(text))
        offset += len(text)


def damage_of(offset: int, number: int, line: bytes) -> Damage:
    return Damage(offset, number, line[:SHOWN].decode("utf-8", "replace").rstrip())


def fields_of(line: bytes, file_id: bytes) -> Fields | None:
    """What *line* says; None if it is not a record of this file."""
    if not is_sealed(line, file_id):
        return None
    try:
        fields = json.loads(line.decode())  # of bytes it would guess the encoding
    except (ValueError, RecursionError):  # UnicodeDecodeError is the former
        return None
    if not isinstance(fields, dict):
        return None
    known = cast("Fields", fields)
    return known if isinstance(known.get("event"), str) else None


def header_of(kind: Kind, **more: object) -> tuple[bytes, bytes]:
    """The first line of a new file of this *kind*, and the id of the file."""
    file_id = new_id()
    fields = {"cotality": kind.name, "version": VERSION, "id": file_id.decode(), **more}
    return sealed(json.dumps(fields).encode() + b"\n", file_id), file_id


def is_torn_header(start: bytes) -> bool:
    """Whether a file with this content was killed while its header was written."""
    return b"\n" not in start and (start.startswith(MAGIC) or MAGIC.startswith(start))


def checked_id(
    path: Path, kind: Kind, line: bytes, *, skip_damaged: bool
) -> bytes | None:
    """The id of the file that begins with *line*; None if nothing else is in it.

    Args:
        skip_damaged: Find it out from the other lines if this one is damaged.

    Raises:
        JournalError: It cannot be read, or the error of this *kind*.
    """
    if is_torn_header(line):
        return None
    file_id = id_in(line) or id_of_others(path)
    if file_id is not None and not is_sealed(line, file_id):
        if skip_damaged:
            return file_id
        raise kind.error(
            f"line 1 of {path} is damaged, the one that says what file this is. "
            f"{way_on(kind)}"
        )
    header = header_in(line)
    if header is None:
        raise kind.error(
            f"{path} is not a {kind.name} of cotality, so nothing is written to it. "
            f"Choose another path."
        )
    found, version = header["cotality"], header["version"]
    if found != kind.name:
        raise kind.error(
            f"{path} holds a {found}, not a {kind.name}. Mixed up two paths?"
        )
    if not isinstance(version, int) or version > VERSION:
        raise kind.error(
            f"{path} was written by a newer cotality, in version {version} of the "
            f"format; this one reads version {VERSION}. Update cotality, or choose "
            f"another path."
        )
    if file_id is None:
        raise kind.error(
            f"{path} is from before the lines of a {kind.name} had checksums, and is "
            f"not read any more. Choose another path, and run its tasks again."
        )
    return file_id


def header_in(line: bytes) -> Fields | None:
    try:
        header = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or not {"cotality", "version"} <= header.keys():
        return None
    return cast("Fields", header)


def id_of_others(path: Path) -> bytes | None:
    """The id that the first good line of *path* after its header has."""
    with closing(reader_of(path)) as file:
        file.readline(MOST)
        for _ in range(LOOKED_AT):
            if (file_id := id_in(file.readline(MOST))) is not None:
                return file_id
    return None


def way_on(kind: Kind) -> str:
    """How to go on although a line is damaged."""
    if kind.name == "journal":
        return (
            "Journal(..., skip_damaged=True) goes on without it, and runs again what "
            "was lost."
        )
    return "DeadLetters(..., skip_damaged=True) goes on without it."


def texts_in(keys: object) -> list[str] | None:
    """*keys*, if it is a list of texts."""
    if not isinstance(keys, list):
        return None
    given = cast("list[object]", keys)
    texts = [key for key in given if isinstance(key, str)]
    return texts if len(texts) == len(given) else None
