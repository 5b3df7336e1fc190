"""Jobs that come by the clock: when each is due, and that it is enqueued once.

* what a user writes: a `crontab`, and what a `schedule` is made of;
* when that is due: `cron_times` and `every_times`, by the rules of `due_times`;
* who enqueues it then: the `loop`, which asks the `tick_store` what was handled.
"""
