"""Pickles of one call: each with what has changed, and with what has not only named.

This is where it is found out what is large. A first pickling leaves the large buffers
out, whoever holds them: a frame, a dictionary, an object behind a bound method. If it
leaves none out and is small, that is all there is to it. Otherwise tasks are looked at
from then on, for a while, see `noting`.
"""

from __future__ import annotations

import errno
import pickle
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cotality._kit.records import NamedTuple
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.channel import segments
from cotality.core.utils._process.channel.assembled import Assembled, Packed, Place
from cotality.core.utils._process.channel.segments import (
    NoRoomError,
    Segment,
    joined,
    written,
)
from cotality.core.utils._process.machine.object_size import LARGE
from cotality.core.utils._process.pickling.encode import (
    PROTOCOL,
    dumped_by_value,
    dumps,
    encode,
    is_for_all,
)

from .memos import Probe, dumped_by
from .memos import noted as plainly_noted

if TYPE_CHECKING:
    from .frames.forms import Forms
    from .frames.noting import Rules
    from .heavy import Heavy
    from .large_buffers import LargeBuffers

# Libraries whose objects mostly are worth a look before they are pickled.
FRAMES = frozenset(["pandas", "polars", "pyarrow", "xarray"])
LOOKED_AT = 64  # pickles, after one that was large
TINY = 4096  # bytes of a buffer; with less it is quicker to leave it in its pickle
# Without a descriptor, or a file of that size, a pickle goes through the link.
PASSING = (errno.EMFILE, errno.ENFILE, errno.EFBIG)


class LeftOut(list[pickle.PickleBuffer]):
    """The buffers of a pickle; those that are tiny stay in it."""

    def append(self, buffer: pickle.PickleBuffer, /) -> bool:  # type: ignore[override]  # what a pickler wants
        if memoryview(buffer).nbytes < TINY:
            return True
        super().append(buffer)
        return False


class Noted(NamedTuple):
    """A pickle, and what is known of it.

    Attributes:
        value: What was pickled.
        pickler: Knows which objects are in it; None if nobody has asked.
        buffers: Those that were left out of *data*.
        is_pure: Whether it is known that no code of the program's own has run.
    """

    value: object
    data: bytes
    pickler: Any  # Any: of either kind
    buffers: list[pickle.PickleBuffer]
    is_pure: bool = False


class Parcels:
    """Those of one call.

    Args:
        in_segments: Whether what is large may travel in segments.

    Attributes:
        turn: The same one as long as nobody can have changed what is sent.
        to_look_at: How many more pickles have to be looked at.
        heads_written: Bytes, into segments for one pickle alone.
    """

    turn: object
    frames_exist: bool
    to_look_at: int
    left_out: LeftOut
    leave_out: Callable[[pickle.PickleBuffer], bool]
    has_written: bool
    has_looked: bool
    has_heavy: bool
    heads_written: int

    def __init__(self, in_segments: bool) -> None:
        self.in_segments = in_segments
        self.turn = object()
        self.last_turn: object = None  # of the call
        self.frames_exist = False  # whether anything here can be one
        self.to_look_at = 0
        self.left_out = LeftOut()
        self.leave_out = self.left_out.append
        # Whether there is anything of the three kinds below.
        self.has_written = self.has_looked = self.has_heavy = False
        self.heads_written = 0

    def begin_portion(self, turn: object) -> None:
        """What is packed from now on is as it is in that *turn*; None if in a new one.

        The turn is the same as before as long as nobody can have changed anything.
        """
        self.frames_exist = any(name in sys.modules for name in FRAMES)
        if turn is None or turn is not self.last_turn:
            self.turn, self.last_turn = object(), turn

    # Most calls have nothing that is large, and need none of the modules for it.

    @cached_property
    def large(self) -> LargeBuffers:
        """The large buffers of the call."""
        from .large_buffers import LargeBuffers

        self.has_written = True
        return LargeBuffers()

    def expect_large(self) -> None:
        """Load the modules for what is large, as long as a file can be opened."""
        # They are needed later.
        from . import large_buffers  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from .frames import noting  # noqa: F401  # pyright: ignore[reportUnusedImport]

    @cached_property
    def forms(self) -> Forms:
        """What knows the forms in which the data of libraries travels."""
        from .frames.forms import Forms

        self.has_looked = True
        return Forms()

    @cached_property
    def rules(self) -> Rules:
        """By type, what is known of how its objects are pickled."""
        from .frames.noting import Rules

        return Rules()

    @cached_property
    def heavy(self) -> Heavy:
        """What is large in a pickle, though no buffer of it is."""
        from .heavy import Heavy

        self.has_heavy = True
        return Heavy()

    @property
    def written(self) -> int:
        """Bytes, into segments."""
        return self.heads_written + (self.large.written if self.has_written else 0)

    @property
    def looking_seconds(self) -> float:
        """How long it took to see whether buffers have changed."""
        return self.large.seconds if self.has_written else 0.0

    def packed_again(self) -> list[tuple[object, int]]:
        """Frames that were packed again since somebody has asked, and their bytes."""
        if not self.has_looked:
            return []
        frames = self.forms.frames
        again, frames.again = frames.again, []
        return again

    def pack(self, value: object, looks: bool = False) -> Packed:
        """*value* as `encode` packs it, with what is large in segments.

        Args:
            looks: Whether to look at what is in it in any case.

        Raises:
            Exception: What pickling *value* raised.
        """
        if looks or self.to_look_at or not self.in_segments:
            if not self.in_segments:
                return encode(value)
            return self.sealed(self.looked_at(value, LeftOut()))
        # The loop over tiny tasks comes through here: no more steps than it takes.
        left_out = self.left_out
        try:
            data: bytes = dumps(value, PROTOCOL, buffer_callback=self.leave_out)
        except Exception as raised:
            left_out.clear()
            if is_of_a_signal(raised):
                raise
            data = b""  # the other pickler may know a way
        if not data or not is_for_all(data):
            left_out.clear()
            data = dumped_by_value(value, left_out)[0]
        if self.has_written:
            self.turn = object()  # code of the program's own may have run
        if not left_out and len(data) < LARGE:
            return data
        self.left_out = LeftOut()
        self.leave_out = self.left_out.append
        return self.sealed(Noted(value, data, None, left_out))

    def somebody_has_run(self) -> None:
        """Code of the program's own may have changed anything."""
        if self.has_written:
            self.turn = object()

    def noted(self, value: object, *, looks: bool = False) -> Noted:
        """*value*, pickled, and which objects are in it.

        Args:
            looks: Whether to look at what is in it in any case.

        Raises:
            Exception: What pickling *value* raised.
        """
        if not self.in_segments:
            return Noted(value, *plainly_noted(value, None), [])
        if self.to_look_at or looks:
            return self.looked_at(value, LeftOut())
        left_out = LeftOut()
        data, pickler = plainly_noted(value, left_out)
        self.somebody_has_run()
        return Noted(value, data, pickler, left_out)

    def looked_at(self, value: object, buffers: list[pickle.PickleBuffer]) -> Noted:
        """The same, with all that there is to be known of it.

        Args:
            buffers: Takes those that are left out.
        """
        pickler: Any = None  # Any: of either kind
        data = b""
        try:
            data, pickler = dumped_by(self.pickler, value, buffers.append)
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            # The other pickler may know a way; if not, its error is the one to raise.
        known = pickler
        if pickler is None or not is_for_all(data):
            buffers.clear()
            data, pickler = dumped_by_value(value, buffers, self.pickler_by_value)
            known = Probe(pickler.memo)
        is_pure: bool = pickler.is_pure
        if not is_pure:
            self.somebody_has_run()
        return Noted(value, data, known, buffers, is_pure)

    def pickler(self, *given: Any, **named: Any) -> Any:  # Any: as a pickler is made
        from .frames.noting import NotingPickler

        return self.briefed(NotingPickler(*given, **named))

    def pickler_by_value(self, *given: Any, **named: Any) -> Any:  # Any: as above
        from .frames.noting import noting_by_value

        return self.briefed(noting_by_value()(*given, **named))

    def briefed(self, pickler: Any) -> Any:  # Any: as above
        pickler.rules, pickler.forms = self.rules, self.forms
        self.forms.frames.turn = self.turn
        return pickler

    def sealed(self, noted: Noted) -> Packed:
        """What is sent of a pickle.

        Raises:
            NoRoomError: There is none for what is large in it.
            Exception: What pickling raised, where it has to be done again.
        """
        data, buffers = noted.data, noted.buffers
        if not self.in_segments:
            return data
        sizes = [memoryview(each).nbytes for each in buffers]
        size = len(data) + sum(each for each in sizes if each < LARGE)
        if size < LARGE and max(sizes, default=0) < LARGE:
            self.to_look_at = max(0, self.to_look_at - 1)
            return joined(data, buffers) if buffers else data
        self.to_look_at = LOOKED_AT
        if segments.ARE_AVAILABLE:
            try:
                return self.assembled(data, buffers, with_small=size)
            except NoRoomError as error:
                if error.errno not in PASSING:
                    raise
        return joined(data, buffers) if buffers else data

    def assembled(
        self, data: bytes, buffers: Sequence[pickle.PickleBuffer], *, with_small: int
    ) -> Assembled:
        """A pickle whose large *buffers* are sent once; the small ones go with it.

        Args:
            with_small: The bytes of the pickle with the small ones.
        """
        raw = [each.raw() for each in buffers]
        small = [each for each in raw if each.nbytes < LARGE]
        large = [each for each in buffers if memoryview(each).nbytes >= LARGE]
        head: bytes | Segment = data
        if with_small >= LARGE:
            head = written([memoryview(data), *small])
            self.heads_written += head.size
        pieces = iter(self.large.placed(large, self.turn))
        places: list[Place] = []
        for each in raw:
            if each.nbytes >= LARGE:
                places.append(next(pieces))
            elif isinstance(head, Segment):
                places.append(None)
            else:
                places.append(bytes(each) if each.readonly else bytearray(each))
        return Assembled(head, places)
