"""Why an object cannot be pickled. Stands on the rest of its room.

* what is in the way and where: `explain`, which takes the object into its `parts` and
  puts the way there into words: `path_text`.
"""
