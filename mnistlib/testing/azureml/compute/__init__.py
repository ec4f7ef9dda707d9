"""Compute: clusters, their nodes, and the processes on them."""
