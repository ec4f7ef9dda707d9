"""Shared parts of the backends for Azure Machine Learning, for both SDKs."""
