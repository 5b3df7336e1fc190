"""The arguments and functions of tasks on their way. Stands on channel and pickling.

* functions, each once: `packed_functions`, of which some are `stateful`, by what they
  have `held`, and some `patched`, so that they go by the name of another one;
* `arguments`: large ones once for a call, `captured`, as `argument_copies` over there;
  `plain_arguments`, which travel together; those that people `share`; what a worker
  makes for itself: `worker_state`;
* all the others as `parcels`: their `large_buffers` are sent once for a call, and what
  is `heavy` in other ways is watched;
* what travels in a better form than its pickle, and blocks of rows: `frames`;
* how a task stays one graph of objects all the same: `task_graph`, by the `memos` of
  pickles.
"""
