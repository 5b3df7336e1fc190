"""``python -m cotality.jobs``: its `command_line`. Stands on all the rest."""
