"""Jobs on a cluster of Azure Machine Learning, through azure-ai-ml (SDK v2)."""

from typing import TYPE_CHECKING

from mnistlib.lazy import lazy_names

if TYPE_CHECKING:
    from mnistlib.backends.azure.compute import AmlComputeSpec
    from mnistlib.backends.azureml_v2.backend import AzureMLv2Backend

__all__ = ["AmlComputeSpec", "AzureMLv2Backend"]

if not TYPE_CHECKING:  # a type checker would accept any name
    __getattr__ = lazy_names(
        __name__,
        {
            "AmlComputeSpec": "mnistlib.backends.azure.compute",
            "AzureMLv2Backend": "mnistlib.backends.azureml_v2.backend",
        },
    )
