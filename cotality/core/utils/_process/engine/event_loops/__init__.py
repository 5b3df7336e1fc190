"""A run that an event loop drives. Stands on the rest of its room.

* where its portions come back to: `arrivals_async`; what becomes of a call that waits
  in one of the `closed_loops`.
"""
