"""One run: input, hand-out, limits, failures, delivery. Stands on portions and output.

* the loop: `run`; where tasks come from: `source`, and those whose outcomes are there
  already: `known_outcomes`; where portions come back to: `arrivals`; what is held of
  one that is out: `ticket`; a run that an event loop drives: `event_loops`;
* what may keep tasks from starting: `brakes`, such as the `limits` of a caller;
* what failures mean: `error_policy`, whose they are: `blame`, and what a caller may
  have meant: `unpack_hint`; tasks that wait for another attempt: `waiting_retries`;
* what a place to run looks like: `backend`; who may watch: `observers`;
* how results reach plain code: `delivery`, and what is seen of it after a Ctrl-C:
  `interrupted`; tasks in the caller's own thread: `desk`.
"""
