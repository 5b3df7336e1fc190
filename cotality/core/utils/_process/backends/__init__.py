"""Where portions run: each module is one such place. Stands on engine and workers.

* `threads`, with a `thread_team` for a call; the caller's own thread: `inline`;
* worker `processes`; the same for a scheduler that is somebody else's: `crew`;
  somebody else's executor: `foreign`.
"""
