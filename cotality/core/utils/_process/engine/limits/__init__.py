"""Limits that a caller may set: each keeps tasks from starting. Stands on its room.

* how many may start in a given time: a `rate`; what they may take: a `memory_limit`.
"""
