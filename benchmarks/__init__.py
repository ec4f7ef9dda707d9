"""Comparisons with other packages, each in one run: ``python -m benchmarks.<name> [--json]``."""
