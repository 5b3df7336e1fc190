"""The machine room of `cotality.tuning`, one idea a file."""
