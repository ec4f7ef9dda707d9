"""Jobs on a cluster of Azure Machine Learning, through azureml-core (SDK v1)."""

from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azureml.backend import AzureMLBackend

__all__ = ["AmlComputeSpec", "AzureMLBackend"]
