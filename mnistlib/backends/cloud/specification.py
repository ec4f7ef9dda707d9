"""Python environment of a node: the packages of this process, pinned."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mnistlib.errors import JobError
from mnistlib.package import REQUIRED

_CURATED = "curated:"


@dataclass(frozen=True)
class EnvironmentSpecification:
    """The Python environment of a node: one of the cluster, or a conda file.

    Attributes
    ----------
    name : str
        Its name; for a conda file derived from the content, so that the same name means the same content.
    conda : str
        The conda file; empty for an environment of the cluster.
    text : str
        Description for plans.
    """

    name: str
    conda: str
    text: str


def specification_of(environment: str | os.PathLike[str]) -> EnvironmentSpecification:
    """Return the specification for ``curated:NAME`` or the path of a conda file.

    The environment must contain numpy, scikit-learn, joblib, pooch, tqdm, filelock and the cluster's own SDK.

    Raises
    ------
    JobError
        If the file does not exist.
    """
    given = os.fspath(environment)
    if given.startswith(_CURATED):
        name = given.removeprefix(_CURATED)
        return EnvironmentSpecification(name, "", f"{name}, an environment of the cluster")
    try:
        return _of_conda(Path(given).read_text(encoding="utf-8"), f"the conda file {given}")
    except FileNotFoundError as error:
        raise JobError(
            f"environment must be {_CURATED}NAME or the path of a conda file: {given} does not exist"
        ) from error


def _of_conda(conda: str, text: str) -> EnvironmentSpecification:
    return EnvironmentSpecification(f"mnistlib-{hashlib.sha256(conda.encode()).hexdigest()[:16]}", conda, text)


def specification_here(*, besides: Sequence[str] = (), unpinned: Sequence[str] = ()) -> EnvironmentSpecification:
    """Return the specification of this process's environment.

    Parameters
    ----------
    besides : sequence of str
        Further distributions to pin to their installed versions, with extras in brackets.
    unpinned : sequence of str
        Distributions that only the node needs, in any version.
    """
    packages = [f"{name}=={version(name.partition('[')[0])}" for name in (*REQUIRED, *besides)]
    packages += unpinned
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    dependencies = [f"python={python}", "pip", {"pip": packages}]
    content = {"name": "mnistlib", "channels": ["conda-forge"], "dependencies": dependencies}
    # JSON, which is YAML too.
    return _of_conda(json.dumps(content, indent=2), f"Python {python}, {', '.join(packages)}")
