"""The names of Aqueduct on this engine, for programs that were written for that.

Change the import lines and nothing else::

    from cotality.flow.aqueduct.flow import Flow, FlowStep
    from cotality.flow.aqueduct.handler import BaseTaskHandler
    from cotality.flow.aqueduct.task import BaseTask
    from cotality.flow.aqueduct.sockets.flow import SocketFlow

What is otherwise than there: a task that fails raises what its handler raised, and for
its caller alone; a worker that dies is replaced; ``timeout_sec`` holds behind a socket
as well.
"""
