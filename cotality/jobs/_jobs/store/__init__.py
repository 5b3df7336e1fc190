"""The truth about each job, in tables of our own. Stands on states.

* the `database`, by its URL, and the `schema` in it; the `texts` that it takes;
* what may happen to a job, each as one statement that says when: `moves`; its
  `progress`; what is known of it: `reading`; counted: `counting`; how long jobs wait
  and run: `times`;
* the `tickets` that the engine of our own hands out;
* until when schedules were handled: `ticks`;
* the `workers` that are alive, and their locks: `slots`; what one of them does for all:
  `leases`;
* what is old goes: `sweeping`.
"""
