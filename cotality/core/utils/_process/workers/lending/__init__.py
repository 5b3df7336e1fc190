"""Whose workers a call uses. Stands on the rest of its room.

* those that somebody owns and lends to calls: `shared_pool`; those that are kept
  between calls: `warm_pools`, for as long as the `program_state` is that in which they
  were started;
* which of them a call gets: `leases`; those that somebody lends it: `enclosures`.
"""
