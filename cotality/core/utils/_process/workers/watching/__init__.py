"""What the thread does that watches over a pool. Stands on the rest of its room.

* its loop, and what is due by the clock: `watcher`;
* what it waits for: `links`; what workers say: `answers`;
* items on their way to workers and back: `dispatch`; those that nobody wants any more:
  `cancellation`;
* workers that begin: `starts`; workers that end: `deaths`.

Only that thread is in here, so nothing of it can be struck half-way. What it shares
with callers, and by which rules, is said outside, where the state of a pool is.
"""
