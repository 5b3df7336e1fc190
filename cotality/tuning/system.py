"""What this process has: how busy its CPUs are, how much memory is left.

Aware of containers: what is limited by a cgroup is counted as the container sees it.
On Linux all of it is read from ``/proc`` and ``/sys``; elsewhere it takes `psutil`,
which ``cotality[tuning]`` brings.

* `get_current_cpu_load`: which share of the CPUs is busy;
* `get_memory_pressure`: how full the memory is;
* `available_memory`: how many bytes may still be taken;
* `physical_cores`: how many cores there are, without hyperthreads.

How many CPUs there are says :func:`cotality.core.utils.process.available_cpus`.
"""

from __future__ import annotations

from cotality.core.machine import available_memory as available_memory

from ._tuning.system.cores import physical_cores as physical_cores
from ._tuning.system.cpu_load import get_current_cpu_load as get_current_cpu_load
from ._tuning.system.pressure import get_memory_pressure as get_memory_pressure

__all__ = [
    "available_memory",
    "get_current_cpu_load",
    "get_memory_pressure",
    "physical_cores",
]
