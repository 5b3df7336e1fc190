"""What the routes call: `desk`; how it refuses: `errors`.

* how a new task gets into the store: `taking`; how tasks stand there: `looking`, and
  how people see that: `standing`; who waits for a change of it: `watching`;
* what a task will take, and what is best for what: `foreseeing`; how the parts of the
  service are: `conditions`.
"""
