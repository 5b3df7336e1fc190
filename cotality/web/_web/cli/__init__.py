"""``python -m cotality.web``: its `command_line`."""
