"""How much memory there is, read from machines that are made up of files."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.core.utils._process.machine.memory import (
    MEMORY_VARIABLE,
    available_memory,
    memory_left,
    memory_limit_from_environment,
    memory_pressure,
)
from tests.kit.machines import make_machine, v1, v2, write

linux = pytest.mark.skipif(sys.platform != "linux", reason="paths as Linux has them")

MB = 1 << 20
PROC = "proc/meminfo"


def meminfo(total: int, available: int) -> str:
    return (
        f"MemTotal:       {total // 1024} kB\nMemFree:               1 kB\n"
        f"MemAvailable:   {available // 1024} kB\nBuffers:               1 kB\n"
    )


def group(
    folder: str, limit: object, usage: int, inactive: int = 0, high: object = "max"
) -> dict[str, str]:
    """The files of a cgroup of version 2."""
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.high": f"{high}\n",
        f"{folder}/memory.current": f"{usage}\n",
        f"{folder}/memory.stat": f"anon 5\nactive_file 7\ninactive_file {inactive}\n",
    }


def group_v1(folder: str, limit: int, usage: int, inactive: int = 0) -> dict[str, str]:
    """The same of version 1, where the statistics have more."""
    return {
        f"memory/{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"memory/{folder}/memory.usage_in_bytes": f"{usage}\n",
        f"memory/{folder}/memory.stat": (
            f"cache 5\ninactive_file 1\ntotal_cache 9\ntotal_inactive_file {inactive}\n"
        ),
    }


UNLIMITED_V1 = 9223372036854771712
V1 = "4:memory:/a/b\n3:cpu,cpuacct:/other\n", v1("memory") + v1("cpu,cpuacct")
V2 = "0::/a/b\n", v2()

# On a machine with 1000 MB, of which 800 are available: the files of cgroups, what is
# left, and how full the fullest is.
LAYOUTS: dict[str, tuple[tuple[str, str], Mapping[str, str | bytes], float, float]] = {
    "no cgroup": (("", ""), {}, 800, 0.2),
    "v2, no limit": (V2, group("a/b", "max", 100 * MB), 800, 0.2),
    "v2, own limit": (V2, group("a/b", 400 * MB, 100 * MB), 300, 0.25),
    "v2, page cache": (V2, group("a/b", 400 * MB, 390 * MB, 190 * MB), 200, 0.5),
    "v2, high below max": (
        V2,
        group("a/b", 400 * MB, 100 * MB, high=200 * MB),
        100,
        0.5,
    ),
    "v2, high alone": (V2, group("a/b", "max", 150 * MB, high=200 * MB), 50, 0.75),
    "v2, high above max": (
        V2,
        group("a/b", 200 * MB, 100 * MB, high=400 * MB),
        100,
        0.5,
    ),
    "v2, a kernel without high": (
        V2,
        {"a/b/memory.max": f"{200 * MB}", "a/b/memory.current": f"{50 * MB}"},
        150,
        0.25,
    ),
    "v2, limit of a parent": (
        V2,
        {**group("a/b", "max", 1), **group("a", 200 * MB, 180 * MB, 30 * MB)},
        50,
        0.75,
    ),
    "v2, the parent has less room": (
        V2,
        {**group("a/b", 100 * MB, 10 * MB), **group("a", 500 * MB, 450 * MB)},
        50,
        0.9,
    ),
    "v2, the parent has more room": (
        V2,
        {**group("a/b", 100 * MB, 90 * MB), **group("a", 500 * MB, 100 * MB)},
        10,
        0.9,
    ),
    "v2, limit of a sibling": (V2, group("a/c", 2 * MB, 1 * MB), 800, 0.2),
    "v2, container with a namespace": (
        ("0::/\n", v2()),
        group(".", 100 * MB, 50 * MB),
        50,
        0.5,
    ),
    "v2, more than the machine has": (
        V2,
        group("a/b", 5000 * MB, 100 * MB),
        800,
        0.2,
    ),
    "v2, beyond the limit": (V2, group("a/b", 100 * MB, 120 * MB, MB), 0, 1.0),
    "v2, limit of nothing": (V2, group("a/b", 0, 0), 0, 1.0),
    "v2, no statistics": (
        V2,
        {"a/b/memory.max": f"{200 * MB}", "a/b/memory.current": f"{150 * MB}"},
        50,
        0.75,
    ),
    "v2, more page cache than memory": (
        V2,
        group("a/b", 200 * MB, 150 * MB, 900 * MB),
        200,
        0.2,
    ),
    "v2, usage unknown": (V2, {"a/b/memory.max": f"{200 * MB}"}, 800, 0.2),
    "v1, no limit": (V1, group_v1("a/b", UNLIMITED_V1, 100 * MB), 800, 0.2),
    "v1, own limit": (
        V1,
        group_v1("a/b", 400 * MB, 390 * MB, 190 * MB),
        200,
        0.5,
    ),
    "v1, limit of a parent": (
        V1,
        {
            **group_v1("a/b", UNLIMITED_V1, MB),
            **group_v1("a", 200 * MB, 150 * MB),
            **group_v1(".", UNLIMITED_V1, 900 * MB),
        },
        50,
        0.75,
    ),
    "v1, another controller's cgroup": (V1, group_v1("other", 2 * MB, 1), 800, 0.2),
    "both, memory in v2": (
        ("3:cpu:/c\n0::/s\n", v1("cpu") + v2("/sys/fs/cgroup/unified")),
        {**group("unified/s", 100 * MB, 50 * MB), **group_v1("c", 2 * MB, 1)},
        50,
        0.5,
    ),
    "both, memory in v1": (
        ("3:memory:/a/b\n0::/s\n", v1("memory") + v2("/sys/fs/cgroup/unified")),
        {**group("unified/s", 2 * MB, 1), **group_v1("a/b", 100 * MB, 50 * MB)},
        50,
        0.5,
    ),
}


@linux
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_tightest_limit_counts(
    layout: tuple[tuple[str, str], Mapping[str, str | bytes], float, float],
    tmp_path: Path,
) -> None:
    """Of the machine, our cgroup and those above it: the one with least room."""
    (own, mounts), files, left, pressure = layout
    write(tmp_path / PROC, meminfo(1000 * MB, 800 * MB))
    root = make_machine(tmp_path, own, mounts, files)

    assert memory_left(root) == left * MB
    assert memory_pressure(root) == pytest.approx(pressure)


@linux
@pytest.mark.parametrize(
    "said",
    [
        *("", "\n", "max\n", "MAX", "-1", "1e9", "12 13", "nothing", "9" * 5000),
        *(b"\xff\xfe \x00", b"\x00", b"\xb2"),
    ],
)
def test_what_is_no_number_is_no_limit(said: str | bytes, tmp_path: Path) -> None:
    """The limit of the parent then counts, which is that of 100 MB."""
    write(tmp_path / PROC, meminfo(1000 * MB, 800 * MB))
    files: dict[str, str | bytes] = {**group("a", 100 * MB, 40 * MB)}
    files |= {**group("a/b", 1, 1), "a/b/memory.max": said}

    assert memory_left(make_machine(tmp_path, *V2, files)) == 60 * MB


@linux
def test_folders_in_place_of_files(tmp_path: Path) -> None:
    """What cannot be read says nothing."""
    write(tmp_path / PROC, meminfo(1000 * MB, 800 * MB))
    root = make_machine(tmp_path, *V2, group("a", 100 * MB, 40 * MB))
    for name in ("memory.max", "memory.current", "memory.stat"):
        (tmp_path / "sys/fs/cgroup/a/b" / name).mkdir(parents=True)

    assert memory_left(root) == 60 * MB


@linux
def test_what_changes_is_seen(tmp_path: Path) -> None:
    """Everything is read anew: usage, limits, and which cgroup this process is in."""
    write(tmp_path / PROC, meminfo(1000 * MB, 800 * MB))
    files = {**group("a/b", 100 * MB, 40 * MB), **group("c", 500 * MB, 100 * MB)}
    root = make_machine(tmp_path, *V2, files)
    seen = [memory_left(root)]
    write(tmp_path / "sys/fs/cgroup/a/b/memory.current", f"{70 * MB}\n")
    seen.append(memory_left(root))
    write(tmp_path / "sys/fs/cgroup/a/b/memory.max", f"{200 * MB}\n")
    seen.append(memory_left(root))
    write(tmp_path / "proc/self/cgroup", "0::/c\n")
    seen.append(memory_left(root))
    write(tmp_path / PROC, meminfo(1000 * MB, 30 * MB))
    seen.append(memory_left(root))

    assert seen == [each * MB for each in (60, 30, 130, 400, 30)]


@linux
def test_an_old_kernel_is_understood(tmp_path: Path) -> None:
    """Without MemAvailable, what is free and the page cache without shared memory."""
    text = "MemTotal: 1000 kB\nMemFree: 200 kB\nCached: 300 kB\nShmem: 100 kB\n"
    write(tmp_path / PROC, text)

    assert memory_left(str(tmp_path)) == 400 * 1024
    assert memory_pressure(str(tmp_path)) == pytest.approx(0.6)


@linux
@pytest.mark.parametrize("said", ["", "MemTotal: 0 kB\n", "MemTotal: 5 kB\n", "\0"])
def test_a_machine_that_says_nothing(said: str, tmp_path: Path) -> None:
    """None, and not a guess."""
    write(tmp_path / PROC, said)

    assert memory_left(str(tmp_path)) is None
    assert memory_pressure(str(tmp_path)) is None
    assert memory_left(str(tmp_path / "nowhere")) is None


SIZES = st.integers(0, 1 << 50)
GROUPS = st.none() | st.tuples(SIZES, st.none() | SIZES, SIZES, SIZES)


@linux
@given(
    levels=st.lists(GROUPS, max_size=5),
    machine=st.tuples(st.integers(1, 1 << 40), st.integers(0, 1 << 40)),
)
def test_the_least_room_on_the_way_to_the_top(
    levels: list[tuple[int, int | None, int, int] | None], machine: tuple[int, int]
) -> None:
    """Whatever the limits: what is left, and how full it is, are of the tightest."""
    total, available = (each * 1024 for each in machine)
    rooms, full = [available], [(total - available) / total]
    files: dict[str, str] = {}
    for depth, level in enumerate(levels):
        if level is None:
            continue
        limit, high, usage, inactive = level
        folder = "/".join(["g"] * (depth + 1))
        files |= group(folder, limit, usage, inactive, "max" if high is None else high)
        least = limit if high is None else min(limit, high)
        taken = max(0, usage - inactive)
        rooms.append(least - taken)
        full.append(taken / least if least else 1.0)
    own = "/g" * len(levels) or "/"
    with TemporaryDirectory() as folder:
        write(Path(folder) / PROC, meminfo(total, available))
        root = make_machine(Path(folder), f"0::{own}\n", v2(), files)

        assert memory_left(root) == max(0, min(rooms))
        assert memory_pressure(root) == pytest.approx(min(1.0, max(0.0, *full)))


@given(
    said=st.lists(st.binary(max_size=40), min_size=4, max_size=4),
    more=st.sampled_from([b"", b"MemTotal: 9 kB\nMemAvailable: 5 kB\n"]),
)
@linux
def test_bytes_of_any_kind_are_survived(said: list[bytes], more: bytes) -> None:
    """Whatever the files hold, there is an answer in range, or none."""
    names = [f"a/b/memory.{name}" for name in ("max", "high", "current", "stat")]
    with TemporaryDirectory() as folder:
        write(Path(folder) / PROC, more + said[0])
        files = dict(zip(names, said, strict=True))
        root = make_machine(Path(folder), *V2, files)
        left, pressure = memory_left(root), memory_pressure(root)

    assert left is None or left >= 0
    assert pressure is None or 0 <= pressure <= 1


def test_this_machine_has_memory() -> None:
    """Less is available than there is."""
    assert 0 <= available_memory() < psutil.virtual_memory().total


def test_elsewhere_psutil_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no /proc; and without psutil the error names the extra."""
    monkeypatch.setattr(
        "cotality.core.utils._process.machine.memory.memory_left", lambda: None
    )
    assert 0 <= available_memory() < psutil.virtual_memory().total

    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(ImportError, match=r"cotality\[tuning\]"):
        available_memory()


# The limit that is given from outside.


@pytest.mark.parametrize(
    ("said", "limit"),
    [(None, None), ("1", 1_000_000), (" 512 ", 512_000_000), ("1_0", 10_000_000)],
)
def test_the_variable_is_in_mb(
    said: str | None, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MB is a million bytes; without the variable there is no limit."""
    monkeypatch.delenv(MEMORY_VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(MEMORY_VARIABLE, said)

    assert memory_limit_from_environment() == limit


@pytest.mark.parametrize("said", ["", " ", "0", "-2", "1.5", "2 GB", "1e3", "9" * 5000])
def test_a_variable_that_is_no_limit(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error that says which, what it says, and the way out."""
    monkeypatch.setenv(MEMORY_VARIABLE, said)

    with pytest.raises(ValueError, match="COTALITY_MEMORY_LIMIT_MB must be") as caught:
        memory_limit_from_environment()

    text = str(caught.value)
    assert f"got {said!r}" in text or len(said) > 40
    assert "remove it" in text
    assert len(text) < 300
