"""A worker as a whole. Stands on running.

* from its start to its end: `worker`; what it does beside its jobs: `tending`; what the
  dead leave behind: `taking_over`; whether queues are well: `watching`.
"""
