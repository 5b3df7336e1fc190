"""Frames and arrays, sent in a better form than their pickles. Stands on its room.

* `noting` finds what has a better form, `forms` says which, of `columns` and
  `polars_frames`, with `kept_copies` over there;
* `blocks` of their rows.
"""
