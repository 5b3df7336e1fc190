"""A loop in place of a call, where that is quicker. Stands on the rest of its room.

* a `plain_loop`; a loop that becomes a call if that pays: `loop_first`, by a
  `head_start`, or a `head_of_iterator` over what is read one by one.
"""
