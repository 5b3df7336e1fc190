"""Run by a frozen program before its own code."""

from cotality.core.utils._process.starting import own_start

own_start.run_in_place_of_program()
