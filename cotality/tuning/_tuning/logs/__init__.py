"""What a program logs, as text or as JSON.

* `logging_setup`, with a line for each record in one of the `log_formats`.
"""
