"""How full the memory is, as one number."""

from __future__ import annotations

from cotality._kit.public import public_in
from cotality.core.machine import fullness, memory_pressure, psutil_for


@public_in("cotality.tuning.system")
def get_memory_pressure() -> float:
    """How full the memory is for this process, 0 to 1.

    It is the fullest of the machine, the cgroup of this process, and each cgroup above
    it with a limit. Page cache that can be reclaimed counts as free. At 1, the next
    allocation makes the system swap, slow down or kill; `available_memory` says how
    many bytes are left until then. This is not what Linux calls pressure
    (``/proc/pressure``): how long processes had to wait for memory.

    It reads a few files on Linux and asks `psutil` elsewhere. It takes 25 to 60
    microseconds (measured), like `available_memory`.

    Raises:
        ImportError: There is no ``/proc/meminfo`` here, and no `psutil`.
    """
    pressure = memory_pressure()
    if pressure is not None:
        return pressure
    machine = psutil_for("its memory").virtual_memory()
    return fullness(machine.total - machine.available, machine.total)
