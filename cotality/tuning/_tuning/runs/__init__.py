"""What people call to run a function over data. Stands on work and plans.

* `execute`, `execute_async`, and `streaming` for results one by one or in batches;
* `optimize` makes a plan, `validation` checks one;
* more than results: `result`, in `detail`, `announcing` it on standard error;
* without the core: `head_start` on the first items, `head_of_iterator` on those that
  are read one by one, `plain_loop`; what the log says of them: `loop_log`.
"""
