"""What every call can be told besides its tasks. Stands on nothing else of its room.

* the options, each `declared` once, and how they are `checked`; the `words` for how
  many workers and where, of which there are several;
* how a person gets to see the options: `shown_options`; what is meant by one that there
  is not: `wrong_names`.
"""
