"""What passes between a parent and its worker. Stands on pickling.

* framed `messages`, read and written in a worker by its `worker_link`, through the
  `link_end` that it was started with;
* what is large: `segments` of memory that both map, pickles that are `assembled` of
  several, and an `arena` of those that are used again;
* what must outlive a worker: its `ledger`, in one of the `ledger_slots`.
"""
