"""What a script defines, and how another process finds it. Stands on the machine.

* where it is found by its name: `places`; what each thing is called in every process:
  `tokens`; how a pickle refers to it: `references`;
* which names a function needs: `needs`, found in its `inner_codes`;
* how functions and classes are taken apart and put together: `forms`;
* the namespace of a script in a process that works for it: `names`, and the last
  resort: `run_again`, if the script has one of the `guards`;
* modules that no import finds there: `off_path`.
"""
