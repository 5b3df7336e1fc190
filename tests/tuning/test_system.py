"""How busy the CPUs are, how full the memory is, how many cores there are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.core.utils.process import available_cpus
from cotality.tuning import system
from cotality.tuning._tuning.system import cores, cpu_load, pressure
from cotality.tuning._tuning.system.cores import cores_of
from cotality.tuning._tuning.system.cpu_load import (
    LONGEST,
    SHORTEST,
    GroupUse,
    LoadMeter,
    Sample,
    Used,
    cpus_in,
    load_between,
)
from cotality.tuning.system import (
    available_memory,
    get_current_cpu_load,
    get_memory_pressure,
    physical_cores,
)
from tests.kit.at_once import at_once
from tests.kit.machines import make_machine, v1, v2, write

linux = pytest.mark.skipif(sys.platform != "linux", reason="paths as Linux has them")


def test_this_machine_answers() -> None:
    """Each figure is in its range."""
    assert 0 <= get_current_cpu_load() <= 1
    assert 0 <= get_memory_pressure() <= 1
    assert 0 <= available_memory() < psutil.virtual_memory().total
    assert 1 <= physical_cores() <= available_cpus()


def test_the_functions_are_known_by_the_path_they_are_imported_from() -> None:
    """Tracebacks and pickles name the front door."""
    for name in system.__all__:
        assert getattr(system, name).__module__ == "cotality.tuning.system"


# CPU load.


class Machine:
    """A machine that is made up, with a clock that only moves when it is told to."""

    def __init__(self, folder: Path, own: str = "", mounts: str = "") -> None:
        self.folder = folder
        self.now = 100.0
        self.slept = 0.0
        self.while_asleep: list[dict[str, str]] = []
        self.root = make_machine(folder, own, mounts, {})

    def say(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            write(self.folder / name, text)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        self.say(self.while_asleep.pop(0))

    def meter(self) -> LoadMeter:
        return LoadMeter(self.root, lambda: self.now, self.sleep)


@pytest.fixture
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may use the CPUs 0 and 1."""
    monkeypatch.setattr(cpu_load, "permitted", lambda: {0, 1})


def stat(*cpus: tuple[int, int]) -> dict[str, str]:
    """What ``/proc/stat`` says if each CPU was so long busy and so long idle."""
    busy, idle = (sum(each) for each in zip(*cpus, strict=True))
    lines = [f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0"]
    lines += [f"cpu{n} {b} 0 0 {i} 0 0 0 0 0 0" for n, (b, i) in enumerate(cpus)]
    return {"proc/stat": "\n".join([*lines, "intr 7 8 9", "ctxt 5"]) + "\n"}


@pytest.mark.usefixtures("two_cpus")
def test_the_first_call_watches_for_a_moment(tmp_path: Path) -> None:
    """It has nothing to compare with, so it takes 0.1 seconds."""
    machine = Machine(tmp_path)
    machine.say(stat((100, 100), (100, 100)))
    machine.while_asleep = [stat((110, 100), (105, 105))]

    assert machine.meter().load() == 0.75
    assert machine.slept == SHORTEST


@pytest.mark.usefixtures("two_cpus")
def test_a_later_call_looks_back_to_the_one_before(tmp_path: Path) -> None:
    """It takes no time, and the load is the mean since then."""
    machine = Machine(tmp_path)
    meter = machine.meter()
    machine.say(stat((0, 0), (0, 0)))
    machine.while_asleep = [stat((10, 0), (10, 0))]
    loads = [meter.load()]
    for seconds, counters in (
        (1.0, stat((10, 100), (10, 100))),
        (SHORTEST / 2, stat((999, 100), (999, 100))),  # too soon: the same again
        (LONGEST - 1, stat((60, 150), (10, 200))),
    ):
        machine.now += seconds
        machine.say(counters)
        loads.append(meter.load())

    assert loads == [1.0, 0.0, 0.0, 0.25]
    assert machine.slept == SHORTEST


@pytest.mark.usefixtures("two_cpus")
def test_what_was_long_ago_does_not_count(tmp_path: Path) -> None:
    """After more than 5 seconds the call watches again, like the first one."""
    machine = Machine(tmp_path)
    meter = machine.meter()
    machine.say(stat((0, 0), (0, 0)))
    machine.while_asleep = [stat((9, 1), (9, 1)), stat((9, 1010), (9, 1010))]
    assert meter.load() == 0.9
    machine.now += LONGEST + 1
    machine.say(stat((9, 1000), (9, 1000)))

    assert meter.load() == 0.0
    assert machine.slept == 2 * SHORTEST


def test_only_cpus_that_this_process_may_use_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy neighbour on another CPU is no load for us."""
    monkeypatch.setattr(cpu_load, "permitted", lambda: {1})
    machine = Machine(tmp_path)
    machine.say(stat((0, 0), (0, 0)))
    machine.while_asleep = [stat((10, 0), (0, 10))]

    assert machine.meter().load() == 0.0


V1_USE = "sys/fs/cgroup/cpu,cpuacct/a/cpuacct.usage"


@linux
@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("version", [1, 2])
def test_a_quota_that_is_used_up_is_a_load(version: int, tmp_path: Path) -> None:
    """A container with half a CPU that uses 0.4 has a load of 0.8."""
    if version == 2:
        machine = Machine(tmp_path, "0::/a\n", v2())
        machine.say({"sys/fs/cgroup/a/cpu.max": "50000 100000\n"})
        use = [
            {"sys/fs/cgroup/a/cpu.stat": f"usage_usec {used}\nuser_usec 1\n"}
            for used in (7_000_000, 7_040_000)
        ]
    else:
        machine = Machine(tmp_path, "4:cpu,cpuacct:/a\n", v1("cpu,cpuacct"))
        folder = "sys/fs/cgroup/cpu,cpuacct/a"
        machine.say({f"{folder}/cpu.cfs_quota_us": "50000\n"})
        machine.say({f"{folder}/cpu.cfs_period_us": "100000\n"})
        use = [{V1_USE: f"{used}\n"} for used in (7_000_000_000, 7_040_000_000)]
    machine.say({**stat((0, 0), (0, 0)), **use[0]})
    machine.while_asleep = [{**stat((2, 8), (2, 8)), **use[1]}]

    assert machine.meter().load() == pytest.approx(0.8)


@linux
@pytest.mark.usefixtures("two_cpus")
def test_a_quota_whose_use_nobody_knows_does_not_count(tmp_path: Path) -> None:
    """Then the load is that of the CPUs."""
    machine = Machine(tmp_path, "0::/a\n", v2())
    machine.say({"sys/fs/cgroup/a/cpu.max": "50000 100000\n"})
    machine.say(stat((0, 0), (0, 0)))
    machine.while_asleep = [stat((2, 8), (2, 8))]

    assert machine.meter().load() == pytest.approx(0.2)


def test_idle_and_waiting_for_disks_is_not_busy() -> None:
    """What guests use is counted once; stolen time is time that we cannot have."""
    line = b"cpu3 10 20 30 400 500 6 7 8 9 10\n"
    assert cpus_in(b"cpu 1 1 1 1\n" + line) == {3: Used(81, 981)}


@pytest.mark.parametrize(
    "said",
    [b"", b"cpu0\n", b"cpu0 a b c\n", b"cpux 1 2 3\n", b"\n\n", b"cpu0 1 2 3", b"\xff"],
)
def test_lines_of_any_kind_are_survived(said: bytes) -> None:
    """What is not understood says nothing."""
    for used in cpus_in(said).values():
        assert 0 <= used.busy <= used.total


NUMBERS = st.floats(0, 1e12)
CPUS = st.dictionaries(st.integers(0, 3), st.builds(Used, NUMBERS, NUMBERS))
GROUPS = st.dictionaries(
    st.sampled_from("ab"), st.builds(GroupUse, NUMBERS, st.floats(0.01, 100))
)


@given(
    before=st.builds(Sample, st.just(1.0), CPUS, GROUPS),
    now=st.builds(Sample, st.floats(1, 100), CPUS, GROUPS),
    cpus=st.none() | st.sets(st.integers(0, 3)),
)
def test_a_load_is_between_0_and_1(
    before: Sample, now: Sample, cpus: set[int] | None
) -> None:
    """Also if counters go back, and CPUs and cgroups come and go."""
    assert 0 <= load_between(before, now, cpus) <= 1


def test_several_threads_may_ask() -> None:
    """At the same time, also when it is asked for the first time."""
    meter = LoadMeter()

    assert all(0 <= load <= 1 for load in at_once(*[meter.load] * 4))


def test_elsewhere_psutil_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no /proc; and without psutil the error names the extra."""
    monkeypatch.setattr(pressure, "memory_pressure", lambda: None)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert 0 <= LoadMeter(str(tmp_path)).load() <= 1
    assert 0 <= get_memory_pressure() <= 1
    assert 1 <= physical_cores() <= available_cpus()

    monkeypatch.setitem(sys.modules, "psutil", None)
    for ask in (LoadMeter(str(tmp_path)).load, get_memory_pressure, physical_cores):
        with pytest.raises(ImportError, match=r"cotality\[tuning\]"):
            ask()


# Cores.


def with_cores(root: Path, siblings: dict[int, str]) -> str:
    for cpu, names in siblings.items():
        folder = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        write(folder / "thread_siblings_list", f"{names}\n")
    return str(root)


@pytest.mark.parametrize(
    ("cpus", "count"),
    [({0, 1, 2, 3}, 2), ({0, 2}, 1), ({0, 1}, 2), ({3}, 1), ({0, 7, 9}, 3)],
)
def test_cpus_of_one_core_are_counted_once(
    cpus: set[int], count: int, tmp_path: Path
) -> None:
    """Only of the CPUs that may be used; those of which nothing is known count each."""
    root = with_cores(tmp_path, {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"})

    assert cores_of(cpus, root) == count


@pytest.mark.parametrize(("known", "count"), [(8, 3), (2, 2), (0, 1)])
def test_a_quota_limits_cores(
    known: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no more cores to use than CPUs."""
    monkeypatch.setattr(cores, "cores_here", lambda: known)
    monkeypatch.setattr(cores, "available_cpus", lambda: 3)

    assert physical_cores() == count


@linux
def test_cores_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is kept to one CPU has one core."""
    one = {min(os.sched_getaffinity(0))}
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: one)

    assert physical_cores() == 1
