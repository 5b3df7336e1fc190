"""How :mod:`cotality.flow` works inside: a folder of rooms, from the top down.

* behind a socket, for other programs: `serving`;
* what people call: `flows`;
* side by side, the two ends that a flow has in a program: `clients`, which send items
  and take answers, and `keeping`, which keeps the router alive;
* the one process in the middle, which never unpickles anything: `router`;
* the processes that run handlers: `workers`;
* what people write down: `steps`;
* side by side: `wire`, the frames that pass between all of these, and `figures`, what
  is counted;
* `errors`.

An item travels like this: a client packs it and sends a frame; the router keeps it in
the line of its first step, hands it to a worker of that step in a portion, and what the
worker answers either joins the line of a later step or goes back to the client. Only
the client and the workers ever see what is in it.
"""
