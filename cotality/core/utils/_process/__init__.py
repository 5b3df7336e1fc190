"""How :mod:`cotality.core.utils.process` works inside, one idea a file.

From the caller down to the worker:

* what is called: `calls`, `options`, `checks`, `task`, `advice`;
* how work is handed out: `engine` with the rules in `schedule`, and what comes back:
  `outcome`;
* where it runs: `backends`; worker processes that are kept: `warm`; the executor for
  everybody: `executor`;
* worker processes, seen from the parent: `pool`, `watcher`, `handle`, `crash`,
  `farewell`; how they start: `launch`, `fork_server`, `server_end`;
* between the two: `messages`, `ledger` and `slots` for what must outlive a worker,
  `segments` for what is large;
* in a worker: `worker`, `chunk`;
* how things are packed: `wire`, `arguments`, `exception_transport`, `frames`;
* what can be packed, and how to say that something cannot: `pickling`, `explain`,
  `anatomy`, `paths`, `unsendable`;
* words for people: `failures`, `texts`, `public`.
"""
