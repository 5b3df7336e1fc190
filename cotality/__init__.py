"""Run functions in parallel, on threads or on processes.

Start at :mod:`cotality.core.utils.process`.
"""
