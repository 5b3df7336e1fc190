"""What a task is known by from one run to the next, one idea a file.

* the key of a task: `key`;
* functions, by their names and what they close over: `functions`;
* arguments, by their types and content: `content`, with `standard` for the types of
  the standard library, `arrays` for NumPy, `rare` for what is seldom given,
  and `state` for what a class does not tell;
* what has no content that stays: `errors`.
"""
