"""A portion of tasks as a worker runs it. Stands on packing.

* what all of them are: `chunk`; in a thread: `local_chunk`; in another process:
  `packed_chunk`, made and taken apart by the `packer`; on somebody else's executor:
  `foreign_worker`;
* how long tasks take: `stopwatch`;
* what belongs to one thread and says so: `belongings`; which calls a worker serves at a
  time: `beside`;
* what tasks find each time as the program has it: `context_copies`, and between calls
  the `process_state`, but for what `imports` of modules have set.
"""
