"""Answers that take their time: streams of events, and waiting for the end of a task.

* an event as a browser reads it: `frames`; a stream of them, and how many there may be:
  `streams`;
* that the client has hung up: `hanging_up`; that the service is about to end: `ending`.
"""
