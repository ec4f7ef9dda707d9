"""Jobs on a cluster of Azure Machine Learning, through azure-ai-ml (SDK v2)."""

from mnistlib.backends.azure.compute import AmlComputeSpec
from mnistlib.backends.azureml_v2.backend import AzureMLv2Backend

__all__ = ["AmlComputeSpec", "AzureMLv2Backend"]
