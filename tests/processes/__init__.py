"""Workers: how they start, work, fail and end, and what travels to them."""
