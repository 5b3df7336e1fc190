"""Memory for large objects is used again when nobody has it, and never before."""

from __future__ import annotations

import asyncio
import gc
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cotality.core.utils._process.channel import arena as arenas
from cotality.core.utils._process.channel.arena import Arena
from cotality.core.utils._process.channel.segments import Segment, mapped
from cotality.flow import Flow, FlowServer, Step
from tests.flow import handlers
from tests.kit.limits import LONG_S

numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="locks of anonymous files"
)

SIZE = 200_000  # bytes
MILLION = 1_000_000


@pytest.fixture
def arena() -> Iterator[Arena]:
    assert arenas.locks_last(), "this system keeps locks otherwise; nothing is reused"
    arena = Arena()
    yield arena
    arena.close()


def lent(arena: Arena, byte: int, size: int = SIZE) -> Segment:
    segment = arena.lent([memoryview(bytes([byte]) * size)], size)
    assert segment is not None
    return segment


def content_of(segment: Segment) -> bytes:
    return os.pread(segment.fd, segment.size, 0)


def file_of(segment: Segment) -> int:
    return os.fstat(segment.fd).st_ino


def test_a_region_is_used_again_once_its_segment_is_gone(arena: Arena) -> None:
    """The same file holds the next object, also a shorter and a longer one."""
    first = lent(arena, 1)
    file = file_of(first)
    del first
    for byte, size in ((2, SIZE), (3, SIZE // 10 * 9), (4, SIZE + 1000), (5, SIZE)):
        segment = lent(arena, byte, size)
        assert file_of(segment) == file
        assert content_of(segment) == bytes([byte]) * size
        del segment


def test_not_while_there_is_a_descriptor(arena: Arena) -> None:
    """Any copy of it counts, also one that is on its way between two processes."""
    first = lent(arena, 1)
    copy = os.dup(first.fd)
    file = file_of(first)
    del first
    assert file_of(second := lent(arena, 2)) != file
    assert os.pread(copy, SIZE, 0) == b"\1" * SIZE
    os.close(copy)
    assert file_of(lent(arena, 3)) == file
    assert content_of(second) == b"\2" * SIZE


def test_not_while_it_is_mapped(arena: Arena) -> None:
    """The mapping is enough, without a descriptor; and a view into it."""
    first = lent(arena, 1)
    file = file_of(first)
    memory = mapped(first.fd, SIZE)
    view = memoryview(memory)[100:200]
    del first, memory
    gc.collect()
    kept = [lent(arena, byte) for byte in range(2, 12)]
    assert file not in map(file_of, kept)
    assert bytes(view) == b"\1" * 100
    del view
    gc.collect()
    assert file in [file_of(lent(arena, 12)) for _ in range(12)]
    for byte, segment in zip(range(2, 12), kept, strict=True):
        assert content_of(segment) == bytes([byte]) * SIZE


@pytest.mark.parametrize("end", ["exits", "is killed"])
def test_not_while_another_process_has_it(arena: Arena, end: str) -> None:
    """However that process ends: then it is free."""
    first = lent(arena, 1)
    file = file_of(first)
    memory = mmap.mmap(first.fd, SIZE, mmap.MAP_PRIVATE)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0 if memory[:] == b"\1" * SIZE else 3)
    os.close(reading)
    memory.close()
    del first
    kept = [lent(arena, byte) for byte in range(2, 12)]
    assert file not in map(file_of, kept)
    if end == "is killed":
        os.kill(child, signal.SIGKILL)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    expected = 0 if end == "exits" else -signal.SIGKILL
    assert os.waitstatus_to_exitcode(status) == expected
    del kept
    assert file in [file_of(lent(arena, 20)) for _ in range(12)]


def test_a_fork_does_not_write_to_what_its_parent_lends(arena: Arena) -> None:
    """It has regions of its own, and goes on to use these."""
    del_me = lent(arena, 1)
    file = file_of(del_me)
    del del_me  # free now, for the parent and nobody else
    child = os.fork()
    if child == 0:
        files = {file_of(lent(arena, 2)) for _ in range(5)}
        os._exit(0 if file not in files and len(files) == 1 else 3)
    segment = lent(arena, 3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert file_of(segment) == file
    assert content_of(segment) == b"\3" * SIZE


def test_what_a_reader_writes_is_seen_by_nobody(arena: Arena) -> None:
    """Neither by another reader, nor in the object that comes next."""
    first = lent(arena, 1)
    one, two = mapped(first.fd, SIZE), mapped(first.fd, SIZE)
    one[:10] = b"x" * 10
    assert two[:10] == b"\1" * 10
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(first.fd, b"x", 0)
    file = file_of(first)
    del first
    one.close()
    two.close()
    assert file_of(again := lent(arena, 2)) == file
    assert content_of(again) == b"\2" * SIZE


def test_there_is_a_limit(arena: Arena) -> None:
    """Of regions and of bytes; one that never comes back is given up."""
    kept = [lent(arena, 1) for _ in range(arenas.MOST_REGIONS)]
    assert arena.lent([memoryview(b"x" * SIZE)], SIZE) is None
    del kept
    large = 8 * 1024 * 1024
    kept = [lent(arena, 1, large) for _ in range(arenas.MOST_BYTES // large)]
    assert arena.lent([memoryview(b"x" * large)], large) is None
    assert arena.lent([], arenas.LARGEST + 1) is None
    for _ in range(arenas.PATIENCE * 10):
        if (segment := arena.lent([memoryview(b"y" * large)], large)) is not None:
            break
    assert segment is not None
    assert all(content_of(each) == b"\1" * large for each in kept)


def test_where_locks_are_kept_otherwise_nothing_is_lent(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is gone while there is a mapping would let two write."""
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda fd, how: None)
    arenas.locks_last.cache_clear()
    try:
        assert not arenas.locks_last()
        assert arena.lent([memoryview(b"x" * SIZE)], SIZE) is None
    finally:
        arenas.locks_last.cache_clear()


class Keeps:
    """Keeps views into some of its arrays, and says in the end what is in them."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def handle(self, items: list[Any]) -> list[Any]:
        return [self.one(item) for item in items]

    def one(self, item: Any) -> Any:
        if item is None:
            return [(float(each[0]), float(each.min())) for each in self.kept]
        if int(item[0]) % 3 == 0:
            self.kept.append(item[10:])
        return item


@pytest.mark.one_python
@pytest.mark.parametrize("way", ["in the program", "by a socket"])
def test_arrays_that_are_kept_on_both_sides_stay_as_they_were(
    way: str, tmp_path: Any
) -> None:
    """While many more are sent, and one of two workers is killed."""
    flow = Flow(Step(Keeps, batch_size=4), queue_size=256)

    async def run(call: Any) -> None:
        results: list[Any] = []
        for first in range(0, 60, 12):
            sent = [
                numpy.full(200_000, number, dtype=float)
                for number in range(first, first + 12)
            ]
            results += await asyncio.gather(
                *[call(each, timeout=LONG_S) for each in sent]
            )
            for number, result in enumerate(results):
                assert (result == number).all()
        kept = await call(None, timeout=LONG_S)
        assert kept == [(number, number) for number in range(0, 60, 3)]

    async def in_program() -> None:
        async with flow:
            await run(flow)

    if way == "in the program":
        asyncio.run(in_program())
        return
    with FlowServer.serve(flow, tmp_path / "s" / "s") as server:

        async def by_socket() -> None:
            async with server.client() as client:
                await run(client)

        asyncio.run(by_socket())


@pytest.mark.one_python
def test_a_worker_that_dies_with_an_array_leaves_nothing_wrong() -> None:
    """Its array is sent again with its memory, and the region is used again after."""

    async def run() -> None:
        async with Flow(Step(handlers.same, workers=2)) as flow:
            for round_ in range(3):
                calls = [
                    asyncio.ensure_future(
                        flow(numpy.full(MILLION // 8, float(number)), timeout=LONG_S)
                    )
                    for number in range(16)
                ]
                await asyncio.sleep(0)
                status = await flow.status_async()
                os.kill(status.steps[0].pids[round_ % 2], signal.SIGKILL)
                found = await asyncio.gather(*calls, return_exceptions=True)
                for number, result in enumerate(found):
                    if not isinstance(result, Exception):
                        assert (result == number).all()
                assert any(not isinstance(each, Exception) for each in found)

    asyncio.run(run())
