"""Pure arithmetic: no clock, no thread, no file. Stands on the tasks.

* how large a portion is, and who gets it: `portion_size`;
* what the rest of a call would take in each place: `where_to_run`, from what is `seen`
  of the tasks; what a person is told of that: `decision`;
* which failures are worth another attempt, and after how long: `retry`.
"""
