"""What outlives a run. Stands on the engine.

* `journal` and `dead_letters`, both of them `files` of records, with the `keys` by
  which the next run knows its tasks.
"""
