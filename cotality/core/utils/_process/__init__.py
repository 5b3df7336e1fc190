"""How :mod:`cotality.core.utils.process` works inside, one idea a file.

From the caller down to the worker:

* what is called: `calls`, `calls_outcomes` and their twins `calls_async`, with
  `options` and `checks`, which refuse an `async_function`; what they are given, `task`,
  or a function and data, `tasks_over`, and what they make of it, `call`; how what comes
  back is given to plain code: `delivery`; `advice`;
* how many workers there are: `cpus`; how much memory: `memory`; what limits containers
  have: `quota` for CPU time, read where `cgroups` finds it; what somebody has set:
  `environment`; whether this is a worker: `this_process`;
* how work is handed out: `engine`, with the rules in `schedule`; where tasks come from,
  `source`, and where portions come back to, `arrivals`, or `event_loop` for coroutines;
* what may keep tasks from starting: `brakes`, such as a `rate` and a `memory_limit`;
  which tasks need not run, because their outcomes are there: `known_head`;
* what comes back: `outcome`; what failures mean: `errors`, and whose they are: `blame`;
  which tasks run again: `retry`, and those that wait for it: `retrying`;
* who watches: `observers`; what a person is shown while it runs: `progress`, and
  afterwards: `report`, or a line in the log: `call_log`;
* where it runs: `backend` says what such a place can do, `backends` chooses between
  `thread_backend` with its `thread_team`, whose `thread_start`, like that of others, an
  exception may strike, `process_backend` with its `staffing`,
  `foreign_backend` for executors of others, where a portion is a `guest`, and
  `inline_backend`; `auto` decides between threads and processes on the way, by what the
  tasks do and what waits in the `run_queue`, which is read in `short_turns` with the
  interpreter's lock; it begins at the `desk` of the caller,
  where `belongings` of a thread may have to stay;
* worker processes that are kept: `warm`, unless they are `measured`, for as long as the
  `program_state` is that in which they were started, with the `django_databases`
  that the program has, and a `django_setup` like its own; the executor for everybody:
  `executor`;
* what keeps them from multiplying: `nesting`, and `loading`, which sees calls that are
  made by the import of a module; a script in the way of our own imports: `own_name`;
* worker processes, seen from the parent: `pool` for callers, who hand over `requests`
  and hold a `ticket` for each, or take an idle worker as a `loan`; `watcher`,
  `settling`, `handle`, `endings`, `crash`, `farewell`, which `weak_sets` remind of
  those there are;
* how they start: `launch`, `fork_server`, the `server_link` to what runs in it,
  `server_main` and `server_end`; with which program: `interpreter`, and `own_start`
  where that was another one; without the places of standard input and output,
  `standard_places`; with what only a start can bring, `starting`;
* between the two: `messages`, `ledger` and `slots` for what must outlive a worker,
  `segments` for what is large, behind a `descriptor`;
* in a worker: `worker`, `worker_link` on its `link_end`, `chunk`, which is a
  `packed_chunk`, or in a thread a `local_chunk`, `stopwatch` for the `times` of tasks,
  `worker_state` for what it makes once, and the calls `beside`, of which it keeps what
  it has loaded, and `process_state`, what it puts back between calls;
* what tasks log, print and warn of: `worker_output`, `output_rules` in a worker,
  `log_records`, `warned` on the way, `relay`, `showing` in the parent;
* how things are packed: `packing` for whole portions, `packed_functions`, of which some
  are `stateful`, by what they have `held`, `wire`, `by_value` where need be,
  `arguments`, with `captured` for large ones, `shared`, `atoms`, `copies`, `contexts`
  with `context_variables` and `context_copies`,
  `exception_transport`, `frames`; how a task stays one all the same: `task_graph`, by
  the `memos` of pickles; what does not go by a name of its own: functions, `patched`,
  and classes, `class_at`;
* what a script defines: pickles name it, as `script_references`, and `script_module`
  packs it, with `script_needs`, found in `inner_codes`, `script_forms` and
  `script_tokens`; it goes along as `script_needed`, and is bound by `script_names` in
  its place among `script_places`, or had by `script_run`; modules that no import finds:
  `off_path`;
* what can be packed, and how to say that something cannot: `pickling`, `numbered`,
  `explain`, `anatomy`, `paths`, `unsendable`, `not_picklable`;
* what outlives a run: `journal` and `dead_letters`, both of them `records`, with the
  `keys` of tasks;
* results in lists: `batches`, by their `sizes`; what comes before and after: `around`;
* words for people: those that a call may use, its `face`; `failures`, which are also
  those of a `broken_pool`, `texts`, `public`.
"""
