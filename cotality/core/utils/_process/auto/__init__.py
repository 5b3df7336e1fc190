"""Where tasks run, as decided on the way, for "auto". Stands on backends.

* the place that moves from one to another: `auto_backend`;
* what has been found out of the tasks so far: `evidence`; what holds the interpreter's
  lock: `lock_probe`; what else goes on: `disturbance`;
* what to say of a result that could not come back: `lost_results`.
"""
