"""What passes between the processes of a flow. Nothing in here unpickles anything.

* between clients and the router: `frames`, over a non-blocking `pipe`, with
  `descriptors` for what is large;
* between the router and a worker: `portions`;
* what a client is told of the flow, and what it may ask: `notes`.
"""
