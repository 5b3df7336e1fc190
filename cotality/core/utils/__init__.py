"""Utilities of the core; start at :mod:`cotality.core.utils.process`."""
