"""joblib's calls on our workers: its own promises, and ours; and scikit-learn on it.

What runs in workers is in `work`, which imports joblib only where that is asked for.
"""
