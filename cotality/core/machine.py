"""What this process and this computer are and allow.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

* CPUs: `available_cpus`, and how many workers that makes by default, `default_workers`
  and `default_threads`; how many somebody wants, `checked_max_workers`; what limits
  them: the `quotas` of the cgroups around this process, each a `Quota`;
* memory: `available_memory`, `memory_pressure` and how it is reckoned, `fullness`;
  `left_in_container` where there is a limit; what `MEMORY_VARIABLE` sets, in `MB`; how
  much of it an object takes: `size_of`;
* where it reads that: the `content` of a file of the kernel, or `psutil_for`;
* this process: whether it is a worker, `in_worker`; what its forked children must
  forget, `after_fork`, which whoever uses that asks for first, by `notice_fork`: a C
  library forks without telling Python; what is called when it ends, `at_exit`.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.machine.cgroups import content
    from .utils._process.machine.cpu_quota import Quota, quotas
    from .utils._process.machine.cpus import (
        available_cpus,
        checked_max_workers,
        default_threads,
        default_workers,
    )
    from .utils._process.machine.environment import MEMORY_VARIABLE
    from .utils._process.machine.memory import (
        MB,
        available_memory,
        fullness,
        left_in_container,
        memory_pressure,
        psutil_for,
    )
    from .utils._process.machine.object_size import size_of
    from .utils._process.machine.this_process import (
        after_fork,
        at_exit,
        in_worker,
        notice_fork,
    )

__all__ = [
    "MB",
    "MEMORY_VARIABLE",
    "Quota",
    "after_fork",
    "at_exit",
    "available_cpus",
    "available_memory",
    "checked_max_workers",
    "content",
    "default_threads",
    "default_workers",
    "fullness",
    "in_worker",
    "left_in_container",
    "memory_pressure",
    "notice_fork",
    "psutil_for",
    "quotas",
    "size_of",
]

# In which room of the core each of them is.
LATER = {
    "MB": "machine.memory",
    "MEMORY_VARIABLE": "machine.environment",
    "Quota": "machine.cpu_quota",
    "after_fork": "machine.this_process",
    "at_exit": "machine.this_process",
    "available_cpus": "machine.cpus",
    "available_memory": "machine.memory",
    "checked_max_workers": "machine.cpus",
    "content": "machine.cgroups",
    "default_threads": "machine.cpus",
    "default_workers": "machine.cpus",
    "fullness": "machine.memory",
    "in_worker": "machine.this_process",
    "left_in_container": "machine.memory",
    "memory_pressure": "machine.memory",
    "notice_fork": "machine.this_process",
    "psutil_for": "machine.memory",
    "quotas": "machine.cpu_quota",
    "size_of": "machine.object_size",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
