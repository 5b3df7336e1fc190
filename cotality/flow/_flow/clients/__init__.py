"""The ends of a flow that send items and take answers.

* `in_loop`: for coroutines, one connection for each event loop;
* `blocking`: for threads, which take a connection and give it back;
* `entrance`: the way to the router; what is sent and what comes back: `packing`.
"""
