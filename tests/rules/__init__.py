"""Arithmetic: portions, decisions, keys, retries, what the machine has."""
