"""A function and its data, checked, on their way to the core. Stands on plans.

* what is to be run: `work`; what arguments, the environment or a plan say: `choice`;
* the `options` that go to the core, by `calling` it; the words its messages may use:
  `faces`.
"""
