"""The commands of ``python -m cotality.tuning``. Stands on everything else.

* `command_line`, with `json_lines` for items and results;
* the ways to run, compared: `comparison`, also as a picture: `comparison_picture`.
"""
