"""Limits that a caller may set: each keeps tasks from starting. Stands on its room.

* how many may start in a given time: a `rate`; how much memory they may take together:
  a `memory_limit`.
"""
