"""The tuning floor."""
