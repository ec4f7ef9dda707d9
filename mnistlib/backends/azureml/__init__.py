"""Jobs on a cluster of Azure Machine Learning, through azureml-core (SDK v1)."""

from typing import TYPE_CHECKING

from mnistlib.lazy import lazy_names

if TYPE_CHECKING:
    from mnistlib.backends.azure.compute import AmlComputeSpec
    from mnistlib.backends.azureml.backend import AzureMLBackend

__all__ = ["AmlComputeSpec", "AzureMLBackend"]

if not TYPE_CHECKING:  # a type checker would accept any name
    __getattr__ = lazy_names(
        __name__,
        {"AmlComputeSpec": "mnistlib.backends.azure.compute", "AzureMLBackend": "mnistlib.backends.azureml.backend"},
    )
