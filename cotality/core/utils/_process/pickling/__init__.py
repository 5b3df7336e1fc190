"""From objects to bytes and back, or why that cannot be. Stands on the scripts.

* bytes: `encode`, and pickling `by_value`; in a worker a function sees what is
  `set_by_initializer`; what a `script` defines goes along;
* classes that say they are from elsewhere: `class_at`; what would arrive as a number
  that means something else: `numbered`;
* context variables: `context_variables`, and what they hold: `context_values`;
  `exceptions` with their tracebacks;
* whether an object can be pickled: `probe`, and whether to do so runs code of the
  program's own: `own_ways`; what is in the way, and where: `reasons`; what is said in
  the end: `refusals`.
"""
