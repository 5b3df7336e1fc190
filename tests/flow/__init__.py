"""The flow floor: steps with expensive workers that all callers share."""
