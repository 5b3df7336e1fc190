"""What runs in a worker process of a step.

* `worker`: from its start to its end, and one batch after the other in between;
* `handling`: how the handler is called, and what may become of that;
* `stopwatch`: how long that takes;
* `answers`: what was done, kept in shared memory until it is sent.
"""
