"""The nouns: a task, what it ends in, and when. Stands on the kit alone.

* what is called: `task`; tasks made of a function and data: `from_data`, of which some
  `data` are not what they seem; or of `calls` of another library;
* what the arguments of public functions must be: `checks`, which refuse an
  `async_function`, and `seconds`;
* what became of a task, and the portions that go out and come back: `outcome`, with
  its `times`;
* the errors of our own that a task can end in: `errors`, and `not_picklable`; where an
  error came from: `tracebacks`, and `frames_of_text` where only words are left of that.
"""
