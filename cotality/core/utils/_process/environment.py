"""The variables of the environment that are looked at."""

WORKERS_VARIABLE = "COTALITY_MAX_WORKERS"  # see `cpus`
MEMORY_VARIABLE = "COTALITY_MEMORY_LIMIT_MB"  # see `memory`
NESTING_VARIABLE = "COTALITY_NESTING"  # see `nesting`; set by us, for workers
