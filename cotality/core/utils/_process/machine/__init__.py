"""What this process and this computer are and allow. Stands on the kit alone.

* how many CPUs there are: `cpus`; who else wants them: `run_queue`, and
  the interpreter's lock in `short_turns`;
* how much memory: `memory`; how much of it an object takes: `object_size`;
* what limits containers have: `cpu_quota` for CPU time, read where `cgroups` finds it;
* what somebody has set: `environment`; whether this is a worker or a fork of one:
  `this_process`, whose `forks` wait for imports of ours;
* a file `descriptor` that no exception can lose, and whether one is `readable`;
* a `second_thread` for a caller, whom an exception may strike at its start and end.
"""
