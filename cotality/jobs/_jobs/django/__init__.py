"""The tasks of Django are jobs. Stands on a worker's context and on what people call.

* the `backend` that a project's settings name, which the worker finds too;
* a `task` as a job; what became of one, as the `results` of Django; its `names`.
"""
