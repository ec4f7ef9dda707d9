"""The registered environments of a workspace, through azure-ai-ml."""

import tempfile
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import found
from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.errors import JobError

_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"


def ensure_environment(client: Any, specification: EnvironmentSpecification) -> str:
    """Return the registered environment of a specification, found by its name; register it if missing.

    Raise JobError if a curated environment does not exist in the workspace.
    """
    from azure.ai.ml.entities import Environment

    name, version = specification.name, "1"
    environments = client.environments
    if not specification.conda:
        known = found(lambda: environments.get(name, label="latest"))
        if known is None:
            raise JobError(f"the workspace has no environment {name!r}: see the studio")
        version = known.version
    elif found(lambda: environments.get(name, version=version)) is None:
        with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
            path = Path(folder, "conda.yml")
            path.write_text(specification.conda)
            wanted = Environment(name=name, version=version, image=_IMAGE, conda_file=str(path))
            environments.create_or_update(wanted)
    return f"azureml:{name}:{version}"
