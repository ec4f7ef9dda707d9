"""Shared parts of all backends on a cluster.

cluster_client  adapter to one SDK
properties      properties of a run in a cluster
staging         files for a node
specification   Python environment of a node
retries         retries after temporary errors
node, finalize  run reporter on a node, and the end of a sweep there
run, backend    user interface
"""
