"""The Python environment that a node needs: what runs here, pinned."""

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
    """The Python environment of a node: one that the cluster has, or what a conda file says.

    Attributes
    ----------
    name : str
        Its name. Of a conda file another one for every other content, so that what is registered need not be compared.
    conda : str
        The conda file; empty of an environment that the cluster has.
    text : str
        What it is, in words.
    """

    name: str
    conda: str
    text: str


def specification_of(environment: str | os.PathLike[str]) -> EnvironmentSpecification:
    """Return the specification that a user names: ``curated:NAME``, or the path of a conda file.

    It must bring what a node needs: numpy, scikit-learn, joblib, pooch, tqdm, filelock and the cluster's own SDK.

    Raises
    ------
    JobError
        If there is no such file.
    """
    named = os.fspath(environment)
    if named.startswith(_CURATED):
        name = named.removeprefix(_CURATED)
        return EnvironmentSpecification(name, "", f"{name}, which the cluster has")
    try:
        return _of_conda(Path(named).read_text(encoding="utf-8"), f"what {named} says")
    except FileNotFoundError as error:
        raise JobError(
            f"environment must be {_CURATED}NAME or the path of a conda file: there is no {named}"
        ) from error


def _of_conda(conda: str, text: str) -> EnvironmentSpecification:
    return EnvironmentSpecification(f"mnistlib-{hashlib.sha256(conda.encode()).hexdigest()[:16]}", conda, text)


def specification_here(*, besides: Sequence[str] = (), unpinned: Sequence[str] = ()) -> EnvironmentSpecification:
    """Return the specification of what runs in this process.

    Parameters
    ----------
    besides : sequence of str
        Further distributions that are installed here and needed there, with extras in brackets.
    unpinned : sequence of str
        Distributions that are needed there only, of whatever version fits.
    """
    packages = [f"{name}=={version(name.partition('[')[0])}" for name in (*REQUIRED, *besides)]
    packages += unpinned
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    dependencies = [f"python={python}", "pip", {"pip": packages}]
    content = {"name": "mnistlib", "channels": ["conda-forge"], "dependencies": dependencies}
    # JSON, which is YAML too.
    return _of_conda(json.dumps(content, indent=2), f"Python {python}, {', '.join(packages)}")
