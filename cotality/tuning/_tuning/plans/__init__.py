"""How some work should be run, and what is expected of it.

* a `plan` and its `plan_fields`, as a file: `plan_file`, and as text: `plan_text`;
* how it follows from a `profile` of the first items: `planning`; from a run that is
  over: `plan_of_run`;
* the outcomes of the first items, until somebody takes them: `first_results`, while
  those are `unchanged`.
"""
