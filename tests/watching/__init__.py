"""Progress, reports and logs: what people see of a run."""
