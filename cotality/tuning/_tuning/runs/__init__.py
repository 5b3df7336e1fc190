"""What people call to run a function over data. Stands on work and plans.

* `execute`, `execute_async`, and `streaming` for results one by one or in batches;
* `optimize` makes a plan, `validation` checks one;
* more than results: `result`, in `detail`, `announcing` it on standard error;
* one item after the other: `in_sequence`; what the log says of that: `loop_log`.
"""
