"""The seven methods, each of which does what its name says.

* what is to be done, and what became of each item: `order`; who does it: `choosing`;
* in the one process that calls it: `sequential`, `threads`, `batches`;
* from an event loop, in several processes: `processes`, `futures`, `overlapped`.

The seventh, *background*, is any of these as a job that nobody waits for. All of them
give the same values for the same items, and give them as they come, in any order.
"""
