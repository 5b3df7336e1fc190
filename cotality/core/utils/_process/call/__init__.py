"""From arguments to a run. Stands on everything below, which it imports when needed.

* the functions that people call: for a function and data `mapping`, and the decorator
  `parallel`; for tasks `functions`, `functions_outcomes`, their twins
  `functions_async`, results in `batches`, and `replay` for dead letters;
* the `options` that they share; the words that messages may use: the `face`;
* one call: `call`; with the ways to run it, for other floors: `prepared`; which place
  it gets to run in: `open_backend`; the line in the log once it is over: `call_log`;
* without one, where that is quicker: `loops`.
"""
