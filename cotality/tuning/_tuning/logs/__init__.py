"""Logs: `logging_setup`, with a line for each record in one of the `log_formats`."""
