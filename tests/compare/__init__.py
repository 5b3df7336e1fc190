"""Random programs, and a model in plain Python of what the package promises for them.

* `program` says what a program is: calls, one after the other or at the same time, each
  with its tasks, its options, and how its results are taken; and how it is written down
  as text that runs;
* `doing` is what tasks do: return this or that, fail, crash, leave traces;
* `generate` makes a program of a seed;
* `model` knows what is promised: what each task comes to, and what a call may give and
  raise; it never asks the package;
* `running` runs a program and has the model judge it;
* `shrink` takes out of a program whatever does not matter for what is wrong with it.

``python -m tests.compare --seconds 600`` tries as many as it can, ``--seed`` one of
them. A discrepancy is a fault of the code, of a page of the documentation or of the
model: it is settled where it belongs, with a test of its own.
"""
