"""How :mod:`cotality.joblib` works inside, from the top down.

* how joblib gets to know of it: `register`; what joblib then calls: `backend`, by way
  of `making`;
* one call of joblib on its way through our workers: `running`; the workers, which stay
  for the next one: `keeping`;
* how many tasks travel together: `sizes`; arrays in files: `mapped`; functions of
  scikit-learn that need to travel only once: `alike`;
* what a worker does around the tasks, so that joblib inside of them knows where it is:
  `below`;
* what we use of joblib: `theirs`.

joblib decides what runs when: it cuts its input into batches, hands each to the
backend, and is called back when one is done. A batch becomes a portion of tasks of the
core, so a crash or a failure is that of one task.
"""
