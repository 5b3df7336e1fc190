"""Whether queues are well.

::

    watch = HealthWatch(AlertRules(depth=10_000), tell=[call_operations])
    watch.look(jobs.stats())  # now and then
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._jobs.health.alert_file import AlertFile, AlertMemory
    from ._jobs.health.alert_rules import AlertRules
    from ._jobs.health.alerts import Alert
    from ._jobs.health.prometheus import prometheus_text
    from ._jobs.health.watch import HealthWatch

__all__ = [
    "Alert",
    "AlertFile",
    "AlertMemory",
    "AlertRules",
    "HealthWatch",
    "prometheus_text",
]

# In which module each of them is.
LATER = {
    "Alert": "alerts",
    "AlertFile": "alert_file",
    "AlertMemory": "alert_file",
    "AlertRules": "alert_rules",
    "HealthWatch": "watch",
    "prometheus_text": "prometheus",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.jobs._jobs.health", LATER)
