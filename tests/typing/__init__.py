"""What type checkers say: read by mypy and pyright, and run like any other test."""
