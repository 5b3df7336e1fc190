"""The functions of the jobs, where their results are, and who keeps the worker.

* where results are: the `tables`, and what is written and read there: `results`; a task
  as a row of them: `rows`; results go there in portions, as they come: `portions`;
* what a worker does for a task: `functions`, with the `pools` of its processes; in
  which of the `queues` it waits, and which order it is: `orders`; what is done for a
  comparison: `comparing`;
* the one worker of a store and machine is kept by `keeping`, as a `process`, as long as
  there is no `silence`; what was measured on this machine: `figures_here`.
"""
