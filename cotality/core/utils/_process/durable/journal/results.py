"""The results of a run, in files beside its journal.

Each run appends to one file of its own, because a file for each result would mean a
hundred thousand files if tasks are tiny. The journal says which bytes of which file a
result is, and has their checksum. It says so after they were written, so there is never
a line without its result.

The checksum is a CRC-32. It is enough against accidents, and a cryptographic digest of
a tiny result takes five times as long.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.durable.files.handle import Handle, opened, reader_of
from cotality.core.utils._process.pickling.encode import PIPE, dump_answer

JOINED = 64 * 1024  # bytes, about, that are written together; larger ones uncopied
PRIVATE_FOLDER = 0o700
dumps: Any = pickle.dumps  # pyright: ignore[reportUnknownMemberType]  # typeshed
PROTOCOL = 5


class Extent(NamedTuple):
    """Where a result is."""

    file: int  # the number of the file
    offset: int
    size: int  # bytes
    checksum: int


class Places(NamedTuple):
    """What the lines about some tasks say of where their results are.

    Attributes:
        template: What all of them have in common, for the operator ``%``.
        columns: What each of them puts into it, all that comes first together, and so
            on: thousands of texts would take longer to make.
    """

    template: str
    columns: tuple[Sequence[object], ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Places:
        return cls("%s", (texts,))

    def texts(self) -> list[str]:
        return [self.template % values for values in zip(*self.columns, strict=True)]


class LostError(Exception):
    """A result is not what was written, or is not there."""


def pack(value: Any) -> bytes:  # Any: what a task returned
    """*value* as bytes for a later run of this program.

    Other than for a worker, what belongs to ``__main__`` is named and not sent along:
    there the later run has it, and finds that it is of the same class.
    """
    try:
        data: bytes = dumps(value, PROTOCOL)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return dump_answer(value, None)
    check_numbers(value, data)
    return data


def check_numbers(value: object, data: bytes) -> None:
    """Let nothing be written down that is a mere number, such as the end of a pipe.

    Raises:
        TypeError: There is something of the kind in *value*.
    """
    if data.find(PIPE) < 0:
        return
    from cotality.core.utils._process.pickling.probe import is_picklable

    if not is_picklable(value):
        dump_answer(value, None)  # raises what it is


def pack_all(values: Sequence[Any]) -> list[bytes] | None:  # Any: as above
    """Each of *values*, in half the time; None if `pack` has to look at them."""
    try:
        packed: list[bytes] = [dumps(value, PROTOCOL) for value in values]
        for value, data in zip(values, packed, strict=True):
            check_numbers(value, data)
        return packed
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return None


class Results:
    """The files of results of one journal, of which the last one can be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.file: Handle | None = None
        self.end = 0
        self.is_synced = True
        self.readers: dict[int, BinaryIO] = {}  # by number of the file

    def path(self, number: int) -> Path:
        return self.folder / f"{number:06}.pickles"

    def add(self, packed: Sequence[bytes]) -> Places:
        """Write down *packed*, and say where each of them is.

        Raises:
            OSError: Such as `ENOSPC`; what was written of it is of no use to anybody.
        """
        file = self.file or self.make_file()
        # Asked, because an exception may have struck in the middle of what came before.
        self.end = os.fstat(file.fileno()).st_size
        sizes = list(map(len, packed))
        ends = list(accumulate(sizes, initial=self.end))
        places = Places(
            f',"result":[{self.number},%d,%d,%d]',
            (ends[:-1], sizes, list(map(crc32, packed))),
        )
        size = ends[-1] - self.end
        together = max(1, JOINED * len(packed) // max(1, size))
        self.is_synced = False
        for first in range(0, len(packed), together):
            write_all(file, b"".join(packed[first : first + together]))
        return places

    def make_file(self) -> Handle:
        self.folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        while self.file is None:
            self.number += 1
            try:
                self.file = opened(self.path(self.number), "xb")
            except FileExistsError:
                continue  # of an earlier run
        return self.file

    def sync(self) -> None:
        if not self.is_synced and self.file is not None:
            os.fsync(self.file.fileno())
            self.is_synced = True

    def read(self, place: Extent) -> bytes:
        """The bytes at *place*.

        Raises:
            LostError: They are not what was written there.
        """
        number, offset, size, checksum = place
        try:
            if number not in self.readers:
                self.readers[number] = reader_of(self.path(number))
            file = self.readers[number]
            if offset + size > os.fstat(file.fileno()).st_size:
                raise LostError(f"{self.path(number)} ends before byte {offset + size}")
            file.seek(offset)
            data = file.read(size)
        except OSError as error:
            if is_of_a_signal(error):
                raise
            raise LostError(f"{self.path(number)}: {error.strerror}") from error
        if len(data) != size or crc32(data) != checksum:
            raise LostError(
                f"bytes {offset} to {offset + size} of {self.path(number)} are not "
                f"what was written there"
            )
        return data

    def close(self) -> None:
        for file in self.readers.values():
            file.close()
        self.readers = {}
        if self.file is not None:
            self.file.close()
            self.file = None


def write_all(file: Handle, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file.fileno(), rest) :]
