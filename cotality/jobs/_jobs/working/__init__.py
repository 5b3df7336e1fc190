"""A worker as a whole. Stands on running.

* from its start to its end: `worker`; what it does beside its jobs: `tending`; how
  often it looks for more of them: `pace`; what the dead leave behind: `taking_over`.
"""
