"""From arguments to a run. Stands on everything below, which it imports when needed.

* the functions that people call: for a function and data `mapping`, and the decorator
  `parallel`; for tasks `functions`, `functions_outcomes`, their twins
  `functions_async`, results in `batches`, and `replay` for dead letters;
* the options they share: `declared`, and how they are checked: `options`; the `words`
  for how many workers and where, of which there are several; the words that messages
  may use: the `face`, which knows what is meant by `wrong_names`; how a person gets to
  see the options: `shown_options`;
* one call: `call`; with the ways to run it, for other floors: `prepared`; which place
  it gets to run in: `open_backend`; the line in the log once it is over: `call_log`;
* without one: a `plain_loop`; a loop that becomes a call if that pays: `loop_first`, by
  a `head_start`, or a `head_of_iterator` over what is read one by one.
"""
