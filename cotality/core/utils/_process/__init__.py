"""How :mod:`cotality.core.utils.process` works inside: a folder of rooms.

From the top down. A room imports from those below it and from no others, lazily or for
a type either; ``nox -s lint`` sees to that. Each says itself what lives there.

* `advice`: runs some tasks and says how the rest should run;
* `call`: from arguments to a run; the functions that people call;
* side by side, what a call may have: `auto`, which decides on the way where tasks run,
  `durable`, what outlives a run, `report` and `progress`, what people see of it;
* `backends`: the places where portions of tasks run;
* side by side, what a backend and a call are made of: `workers`, the processes, and
  `engine`, which hands tasks out and takes back what comes;
* side by side: `portions`, what a worker runs, and `output`, what tasks print and log;
* `packing`: the arguments and functions of tasks on their way to a process;
* side by side: `channel`, what passes between two processes, and `starting`, how a
  process comes to be a worker;
* side by side: `rules`, arithmetic without clock, threads or files, and `pickling`,
  from objects to bytes and back;
* `scripts`: what a script defines, and how it is found elsewhere;
* side by side, what all of it is about: `tasks`, the nouns, and `machine`, what this
  process and this computer are and allow.
"""
