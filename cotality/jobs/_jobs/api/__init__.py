"""What people call. Stands on engines and the codec.

* the queue as a whole: `jobs`, with the `registry` of its functions and their
  `options`, checked; where all of it is kept: `base`;
* a function as a `job`, and its `definition`; how a call is put into the store:
  `putting`; a connection of the caller's: `outbox`;
* jobs that come by the clock: `scheduled`; what workers look at meanwhile: `watched`;
* one job: `handle`.
"""
