"""The environments of a workspace, through azureml-core."""

import tempfile
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import NOT_FOUND, status_of
from mnistlib.backends.cloud.specification import EnvironmentSpecification
from mnistlib.errors import JobError


def ensure_environment(workspace: Any, specification: EnvironmentSpecification) -> Any:
    """Return the registered environment of a specification; its name tells whether it is the right one.

    Raises
    ------
    JobError
        If the workspace is said to have it, and has not.
    """
    from azureml.core import Environment

    try:
        return Environment.get(workspace, specification.name)
    except Exception as error:  # a bare one is all that the SDK raises
        if status_of(error) != NOT_FOUND:
            raise
        if not specification.conda:
            raise JobError(f"the workspace has no environment {specification.name!r}") from error
    return environment_of(specification).register(workspace)


def environment_of(specification: EnvironmentSpecification) -> Any:
    """Return the environment of a specification with a conda file, which nobody need have registered."""
    from azureml.core import Environment

    with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
        path = Path(folder, "conda.yml")
        path.write_text(specification.conda)
        return Environment.from_conda_specification(specification.name, str(path))
