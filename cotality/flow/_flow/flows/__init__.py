"""What people call.

* `flow`: a flow that this program runs for itself;
* `client`: one that is served elsewhere;
* what both can do: `calling`, with many items at a time: `many`; from which connection:
  `connections`; without blocking a loop: `in_thread`.
"""
