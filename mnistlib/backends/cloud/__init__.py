"""What backends on a cluster share, whatever the SDK.

service        what is asked of an SDK: the one place where a dialect is spoken
staging        what is shipped
specification  the Python environment that a node needs
retries        trying again what did not work just now
run, backend   the two sides that a user sees
"""
