"""Journals and dead letters: what outlives a run."""
