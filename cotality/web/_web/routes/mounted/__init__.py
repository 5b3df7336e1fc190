"""Routers that any service can mount.

* jobs: `jobs`, with the models of their arguments: `offering`, and what may be known of
  them: `job_board`; queues and dead letters: `queues`, and any job in them:
  `queue_jobs`; what other services send: `webhooks`;
* whether a service is alive and ready: `health`; its figures: `metrics`; those of its
  requests: `figures`, which several processes add up: `adding_up`, as they are counted:
  `counting`; how a flow is: `flow`.
"""
