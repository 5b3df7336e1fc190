"""What limits a container, read from machines that are made up of files."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cotality.core.utils._process.machine.cpu_quota import quota_in_cpus
from tests.kit.machines import make_machine, v1, v2, write

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="paths and bytes as Linux has them"
)

SESSION = "user.slice/user-1000.slice/session-3.scope"
TWO, THREE, FOUR = "200000 100000\n", "300000 100000\n", "400000 100000\n"
NONE = "max 100000\n"


def v1_files(folder: str, quota: object, period: object = 100000) -> dict[str, str]:
    return {
        f"{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"{folder}/cpu.cfs_period_us": f"{period}\n",
    }


LAYOUTS: dict[str, tuple[str, str, Mapping[str, str], int | None]] = {
    "v2, no limit anywhere": (
        f"0::/{SESSION}\n",
        v2(),
        {f"{SESSION}/cpu.max": NONE, "user.slice/cpu.max": NONE},
        None,
    ),
    "v2, own limit": (
        "0::/a/b\n",
        v2(),
        {"a/b/cpu.max": TWO, "a/cpu.max": THREE},
        2,
    ),
    "v2, limit of a parent": (
        "0::/a/b/c\n",
        v2(),
        {"a/b/c/cpu.max": NONE, "a/b/cpu.max": FOUR, "a/cpu.max": THREE},
        3,
    ),
    "v2, limit of a sibling": (
        "0::/a/b\n",
        v2(),
        {"a/cpu.max": FOUR, "a/c/cpu.max": TWO, "b/cpu.max": TWO},
        4,
    ),
    "v2, controller not enabled below": (
        f"0::/{SESSION}\n",
        v2(),
        {"user.slice/cpu.max": TWO},
        2,
    ),
    "v2, container with a namespace": (
        "0::/\n",
        v2(),
        {"cpu.max": TWO},
        2,
    ),
    "v2, container without a namespace": (
        "0::/docker/abc\n",
        v2(top="/docker/abc"),
        {"cpu.max": TWO},
        2,
    ),
    "v2, below the cgroup of a container": (
        "0::/docker/abc/job\n",
        v2(top="/docker/abc"),
        {"cpu.max": FOUR, "job/cpu.max": TWO},
        2,
    ),
    "v2, host's tree seen in a container": (
        "0::/kubepods/pod1/abc\n",
        v2(),
        {"kubepods/pod1/cpu.max": TWO},
        2,
    ),
    "v2, namespace entered after the mount": (
        "0::/\n",
        v2(top="/../.."),
        {"cpu.max": TWO, "abc/cpu.max": "100000 100000"},
        2,
    ),
    "v2, outside of the namespace, below the mount": (
        "0::/../job\n",
        v2(top="/.."),
        {"cpu.max": FOUR, "job/cpu.max": TWO},
        2,
    ),
    "v2, outside of the namespace and the mount": (
        "0::/../job\n",
        v2(),
        {"cpu.max": TWO},
        None,
    ),
    "v2, the mount shows a neighbour": (
        "0::/docker/abcd\n",
        v2(top="/docker/abc"),
        {"cpu.max": TWO},
        None,
    ),
    "v2, the mount shows a neighbour outside": (
        "0::/\n",
        v2(top="/../abc"),
        {"cpu.max": TWO},
        None,
    ),
    "v2, mounted twice": (
        "0::/\n",
        v2() + v2("/sys/fs/cgroup/host", top="/../.."),
        {"cpu.max": FOUR, "host/cpu.max": TWO},
        2,
    ),
    "v2, a mount hides another": (
        "0::/a\n",
        v2() + v2(top="/a"),
        {"cpu.max": TWO, "a/cpu.max": "100000 100000"},
        2,
    ),
    "v2, blank in the mount point": (
        "0::/a\n",
        v2("/sys/fs/cgroup/my\\040own"),
        {"my own/a/cpu.max": TWO},
        2,
    ),
    "v2, colon in the name": (
        "0::/a:b:0::/c\n",
        v2(),
        {"a:b:0::/c/cpu.max": TWO, "c/cpu.max": "100000 100000"},
        2,
    ),
    "v2, the cgroup has been removed": (
        "0::/a/b (deleted)\n",
        v2(),
        {"a/cpu.max": TWO},
        2,
    ),
    "v2, not mounted": ("0::/a\n", "", {"a/cpu.max": TWO}, None),
    "v1, no limit": (
        "4:cpu,cpuacct:/a\n",
        v1("cpu,cpuacct"),
        {**v1_files("cpu,cpuacct/a", -1), **v1_files("cpu,cpuacct", -1)},
        None,
    ),
    "v1, own limit": (
        "5:memory:/m\n4:cpu,cpuacct:/a\n",
        v1("memory") + v1("cpu,cpuacct"),
        {**v1_files("cpu,cpuacct/a", 200000), **v1_files("memory/m", 100000)},
        2,
    ),
    "v1, limit of a parent": (
        "4:cpuacct,cpu:/a/b\n",
        v1("cpuacct,cpu"),
        {**v1_files("cpuacct,cpu/a/b", -1), **v1_files("cpuacct,cpu/a", 150000, 50000)},
        3,
    ),
    "v1, only the controller cpu": (
        "3:cpuset:/s\n2:cpuacct:/t\n1:cpu:/a\n",
        v1("cpuset") + v1("cpuacct") + v1("cpu"),
        {
            **v1_files("cpuset/s", 100000),
            **v1_files("cpuset/a", 100000),
            **v1_files("cpuacct/t", 100000),
            **v1_files("cpu/a", 200000),
        },
        2,
    ),
    "v1, container without a namespace": (
        "4:cpu,cpuacct:/docker/abc\n",
        v1("cpu,cpuacct", top="/docker/abc"),
        v1_files("cpu,cpuacct", 200000),
        2,
    ),
    "v1, container with a namespace": (
        "4:cpu,cpuacct:/\n",
        v1("cpu,cpuacct"),
        v1_files("cpu,cpuacct", 200000),
        2,
    ),
    "v1, no period": (
        "4:cpu:/a\n",
        v1("cpu"),
        {"cpu/a/cpu.cfs_quota_us": "200000\n", **v1_files("cpu", 300000)},
        3,
    ),
    "both, cpu in v1": (
        "4:cpu,cpuacct:/a\n1:name=systemd:/s\n0::/s\n",
        v1("cpu,cpuacct") + v1("name=systemd") + v2("/sys/fs/cgroup/unified"),
        {**v1_files("cpu,cpuacct/a", 200000), "unified/s/cgroup.procs": ""},
        2,
    ),
    "both, cpu in v2": (
        "4:memory:/m\n1:name=systemd:/s\n0::/s\n",
        v1("memory") + v1("name=systemd") + v2("/sys/fs/cgroup/unified"),
        {**v1_files("memory/m", 100000), "unified/s/cpu.max": TWO},
        2,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_quota_is_that_of_our_own_cgroup(
    layout: tuple[str, str, Mapping[str, str], int | None], tmp_path: Path
) -> None:
    """The smallest quota between our cgroup and the top counts, and no other."""
    own, mounts, files, quota = layout

    assert quota_in_cpus(make_machine(tmp_path, own, mounts, files)) == quota


@pytest.mark.parametrize(
    ("said", "quota"),
    [
        *(("150000 100000", 2), ("100001 100000", 2), ("100000 100000", 1)),
        *(("1000 100000", 1), ("50000 100000", 1), ("250000 50000", 5)),
        *((f"{10**400} 1", 7), (f"1 {10**400}", 1)),
        *(("", 7), ("\n", 7), (NONE, 7), ("max", 7), ("200000", 7), ("-1 100000", 7)),
        *(("0 100000", 7), ("200000 0", 7), ("200000 -5", 7), ("two hundred", 7)),
        *(("200000 max", 7), ("2e5 100000", 7), ("200000 100000 1", 7)),
        *((b"\xff\xfe \x00", 7), ("9" * 5000 + " 1", 7), (b"\x00", 7)),
    ],
)
def test_what_a_file_may_say(said: str | bytes, quota: int, tmp_path: Path) -> None:
    """Fractions are rounded up; what is no quota leaves the one above, of 7."""
    files = {"a/cpu.max": said, "cpu.max": "700000 100000"}

    assert quota_in_cpus(make_machine(tmp_path, "0::/a\n", v2(), files)) == quota


def test_no_such_files(tmp_path: Path) -> None:
    """Where there are no cgroups there is no quota."""
    assert quota_in_cpus(str(tmp_path)) is None


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """What cannot be read says nothing."""
    root = make_machine(tmp_path, "0::/a\n", v2(), {"cpu.max": TWO})
    (tmp_path / "sys/fs/cgroup/a/cpu.max").mkdir(parents=True)

    assert quota_in_cpus(root) == 2


def test_a_quota_that_changes_is_seen(tmp_path: Path) -> None:
    """The files are read anew, and so is which cgroup this process is in."""
    files = {"a/cpu.max": TWO, "b/cpu.max": THREE}
    root = make_machine(tmp_path, "0::/a\n", v2(), files)
    seen = [quota_in_cpus(root)]
    write(tmp_path / "sys/fs/cgroup/a/cpu.max", FOUR)
    seen.append(quota_in_cpus(root))
    write(tmp_path / "proc/self/cgroup", "0::/b\n")
    seen.append(quota_in_cpus(root))

    assert seen == [2, 4, 3]


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\n"),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in {".", ".."})
QUOTAS = st.none() | st.tuples(st.integers(1, 10**9), st.integers(1, 10**6))


@given(
    levels=st.lists(st.tuples(NAMES, QUOTAS), max_size=5),
    above=QUOTAS,
    version=st.sampled_from([1, 2]),
)
def test_the_smallest_on_the_way_to_the_top(
    levels: list[tuple[str, tuple[int, int] | None]],
    above: tuple[int, int] | None,
    version: int,
) -> None:
    """Whatever the quotas of our cgroup and those above: the smallest, rounded up."""
    names = [name for name, _ in levels]
    quotas = [above, *(quota for _, quota in levels)]
    own = "/" + "/".join(names)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for depth, quota in enumerate(quotas):
            place = root.joinpath("sys/fs/cgroup", *names[:depth])
            write_quota(place, version, quota)
        line, mount = (f"4:cpu:{own}\n", v1("cpu", "/sys/fs/cgroup"))
        if version == 2:
            line, mount = f"0::{own}\n", v2()
        found = quota_in_cpus(make_machine(root, line, mount, {}))

    limits = [Fraction(*quota) for quota in quotas if quota is not None]
    assert found == (math.ceil(min(limits)) if limits else None)


def write_quota(folder: Path, version: int, quota: tuple[int, int] | None) -> None:
    time, period = quota or ("max" if version == 2 else -1, 100000)
    if version == 2:
        write(folder / "cpu.max", f"{time} {period}\n")
    else:
        write(folder / "cpu.cfs_quota_us", f"{time}\n")
        write(folder / "cpu.cfs_period_us", f"{period}\n")


PIECES = st.sampled_from(
    [
        *(b"0::", b"4:cpu:", b"4:cpu,cpuacct:", b"/", b"a", b"..", b":", b" ", b"\n"),
        *(b" - ", b"25 30 0:26 ", b"/sys/fs/cgroup", b"cgroup2", b"cgroup"),
        *(b"rw,cpu", b"\\040"),
    ]
)
ANYTHING = st.binary(max_size=30) | st.lists(PIECES | st.binary(max_size=3)).map(
    b"".join
)


@given(
    own=ANYTHING | st.just(b"0::/a\n") | st.just(b"4:cpu:/a\n"),
    mounts=ANYTHING | st.just((v2() + v1("cpu", "/sys/fs/cgroup")).encode()),
    said=st.lists(ANYTHING, min_size=3, max_size=3),
)
@example(own=b"0::/a\0b\n", mounts=v2().encode(), said=[b"", b"", b""])
def test_bytes_of_any_kind_are_survived(
    own: bytes, mounts: bytes, said: list[bytes]
) -> None:
    """Whatever the files hold, there is no quota, or one of at least 1."""
    names = ["a/cpu.max", "a/cpu.cfs_quota_us", "a/cpu.cfs_period_us"]
    with TemporaryDirectory() as folder:
        files = dict(zip(names, said, strict=True))
        found = quota_in_cpus(make_machine(Path(folder), own, mounts, files))

    assert found is None or found >= 1
