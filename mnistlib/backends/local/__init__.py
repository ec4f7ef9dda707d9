"""Backend in this process and on this machine: ``LocalBackend``."""

from mnistlib.backends.local.backend import LocalBackend, LocalRun

__all__ = ["LocalBackend", "LocalRun"]
