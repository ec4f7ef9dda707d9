import importlib.metadata
import json
from pathlib import Path

import pytest

from mnistlib import JobError
from mnistlib.backends.cloud.specification import specification_here, specification_of


def test_installed_versions_are_pinned() -> None:
    dependencies = json.loads(specification_here().conda)["dependencies"]
    assert dependencies[0].startswith("python=3.")
    assert f"scikit-learn=={importlib.metadata.version('scikit-learn')}" in dependencies[2]["pip"]


def test_the_name_changes_only_with_the_content() -> None:
    assert specification_here().name == specification_here().name
    assert specification_here().name != specification_here(besides=("pytest",)).name


def test_a_conda_file_is_used_unchanged(tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11]\n")
    specification = specification_of(tmp_path / "conda.yml")
    assert specification.conda == "dependencies: [python=3.11]\n"
    assert specification.name.startswith("mnistlib-")


def test_a_curated_environment_is_named_and_not_registered() -> None:
    specification = specification_of("curated:AzureML-sklearn-1.5")
    assert (specification.name, specification.conda) == ("AzureML-sklearn-1.5", "")


def test_the_error_of_a_missing_file_lists_the_allowed_values(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="curated:NAME or the path of a conda file"):
        specification_of(tmp_path / "none.yml")
