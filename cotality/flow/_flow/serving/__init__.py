"""A flow behind a Unix socket, for other programs.

* `server`: started by a program, such as the first process of a web server;
* `supervisor`: the small process that keeps its router;
* `listener`: the socket, and who may come to it;
* ``python -m cotality.flow``: `command_line`.
"""
