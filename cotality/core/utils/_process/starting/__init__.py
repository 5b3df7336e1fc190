"""How a process comes to be a worker. Stands on pickling and the scripts.

* a worker process: `launch`, with the program that `interpreter` finds, or forked by
  the `fork_server`;
* what can be given to a process `only_at_start`; whether somebody has processes
  `measured`;
* who finds itself running the user's program: `own_start`; a script in the way of our
  own imports: `own_name`;
* calls that a worker makes while it loads its work: `loading`; workers below workers:
  `nesting`; a framework that has to be set up there too: `django_setup`.
"""
