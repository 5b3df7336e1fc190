"""Tasks that failed for good, kept until somebody looks after them, one idea a file.

* what a caller gives: `dead_letters`; what is kept of a task: `letter`, and who makes
  one: `making`;
* the file, which several runs may share: `store`;
* who writes while a call runs: `recorder`; who runs them again: `replaying`, and
  looks after them meanwhile: `replayer`;
* what a person is shown: `shown`, called by :mod:`cotality.core.utils.dead_letters`.
"""
