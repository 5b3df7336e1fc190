"""The queues in which jobs of the service wait."""

TASKS = "tasks"  # what people have asked for
COMPARISONS = "comparisons"  # likewise, one at a time
SAMPLES = "samples"  # what comparisons measure as jobs
