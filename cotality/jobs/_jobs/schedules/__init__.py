"""Jobs that come by the clock: when each is due, and that it is enqueued once.

* what a user writes: `crontab`, and `checked_schedule`, which makes a `Schedule` of it;
* when that is due: `cron_times` and `every_times`, by the rules of `due_times`;
* who enqueues it then: a `ScheduleLoop`, which asks a `TickStore` what was handled.
"""
