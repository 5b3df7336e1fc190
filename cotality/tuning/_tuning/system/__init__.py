"""What this process has, and how much of that is taken.

* how many `cores` there are, and how busy: `cpu_load`; how full the memory: `pressure`.
"""
