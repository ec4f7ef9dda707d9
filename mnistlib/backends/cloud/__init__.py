"""Parts that all backends on a cluster share.

cluster_client  adapter to an SDK: the one place where a dialect is spoken
properties      the properties of a run in a cluster
staging         the files for a node
specification   the Python environment that a node needs
retries         another try after a failure that may pass
node, finalize  the command on a node, and the end of a sweep there
run, backend    the two sides that a user sees
"""
