"""Figures: how queues are, and how long jobs take.

* one queue at one moment: `queue_stats`;
* all runs of one function: `job_times`, counted in a `histogram`.
"""
