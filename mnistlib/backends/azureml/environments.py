"""The environments of a workspace, through azureml-core."""

import tempfile
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import NOT_FOUND, status_of
from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.errors import JobError


def ensure_environment(workspace: Any, specification: EnvironmentSpecification) -> Any:
    """Return the registered environment of a specification, found by its name; register it if missing.

    Raise JobError if a curated environment does not exist in the workspace.
    """
    from azureml.core import Environment

    try:
        return Environment.get(workspace, specification.name)
    except Exception as error:  # the SDK raises a bare one
        if status_of(error) != NOT_FOUND:
            raise
        if not specification.conda:
            raise JobError(f"the workspace has no environment {specification.name!r}: see the studio") from error
    return environment_of(specification).register(workspace)


def environment_of(specification: EnvironmentSpecification) -> Any:
    """Return an unregistered environment from a specification with a conda file."""
    from azureml.core import Environment

    with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
        path = Path(folder, "conda.yml")
        path.write_text(specification.conda)
        return Environment.from_conda_specification(specification.name, str(path))
