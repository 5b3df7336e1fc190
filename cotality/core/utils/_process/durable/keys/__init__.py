"""What a task is known by from one run to the next. Stands on the tasks and packing.

* the key of a task: `task_key`;
* functions, by their names and what they close over: `functions`;
* arguments, by their types and content: `values`, with `rare_types` for what is seldom
  given, `standard_types` for the standard library, `arrays` for NumPy and `state` for
  what a class does not tell;
* what has no content that stays: `errors`.
"""
