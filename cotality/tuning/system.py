"""How busy the CPUs of this process are, and how much memory it has left.

The functions know containers: they count what a cgroup allows. On Linux they read
``/proc`` and ``/sys``; elsewhere they need `psutil`, which ``cotality[tuning]``
installs.

* `get_current_cpu_load`: which share of the CPUs is busy;
* `get_memory_pressure`: how full the memory is;
* `available_memory`: how many more bytes may be used;
* `physical_cores`: how many cores there are, without hyperthreads.

:func:`cotality.core.utils.process.available_cpus` says how many CPUs there are.
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
