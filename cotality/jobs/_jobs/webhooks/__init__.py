"""Calls from other services, and calls to them, each signed and each once.

* what goes wrong: `webhook_errors`;
* calls that come in: `signatures` of three kinds, and the `receiver` of events;
* where calls may go: URLs as `targets`, `addresses` that are public; the `transport`
  that connects to nothing else, by a `deadline`, maybe through an `egress_proxy`;
* calls that go out: `messages` and their endpoints, the `endpoint_states` that all
  workers share, and the `sender`, which says when to try again.
"""
