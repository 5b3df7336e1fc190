"""How many cores there are behind the CPUs that this process may use."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from cotality._kit.public import public_in
from cotality.core.machine import available_cpus, content, psutil_for

from .cpu_load import permitted


@public_in("cotality.tuning.system")
def physical_cores() -> int:
    """How many cores this process may use at the same time, at least 1.

    Two CPUs of one core (hyperthreads) share its arithmetic units: code that keeps a
    core busy, as numeric libraries do, is not much faster on both. It is the smaller
    of:

    * the number of cores with a CPU on which this process may run;
    * what `available_cpus` says, which includes the CPU quota of containers.

    If it is not known which CPUs belong to one core, each counts as a core. The
    function looks again at each call; it takes 20 microseconds on a Linux machine with
    2 CPUs, and 4 more for each further CPU (measured).

    Raises:
        ImportError: This is not Linux, and there is no `psutil`.
    """
    return max(1, min(cores_here(), available_cpus()))


def cores_here() -> int:
    cpus = permitted()
    if sys.platform == "linux" and cpus is not None:
        return cores_of(cpus)
    return psutil_for("its cores").cpu_count(logical=False) or available_cpus()


def cores_of(cpus: Iterable[int], root: str = "/") -> int:
    """How many cores the *cpus* belong to.

    Args:
        root: Where ``/`` is.
    """
    folder = f"{root}/sys/devices/system/cpu"
    # All CPUs of a core name the same ones there. One that names none is on its own.
    return len(
        {
            content(f"{folder}/cpu{cpu}/topology/thread_siblings_list").strip() or cpu
            for cpu in cpus
        }
    )
