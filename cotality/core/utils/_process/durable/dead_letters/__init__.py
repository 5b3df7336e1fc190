"""Tasks that failed for good, kept for somebody to look at. Stands on files and keys.

* what a caller gives: `dead_letters`; what is kept of a task: `letter`, and who makes
  one: `making`;
* the file, which several runs may share: `store`;
* who writes while a call runs: `recorder`; who looks after letters while they are run
  again: `replayer`;
* what a person is shown: `as_text`, by :mod:`cotality.core.utils.dead_letters`.
"""
