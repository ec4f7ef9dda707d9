"""The Python environment that a node needs: what runs here, pinned."""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

#: What this package imports on a node; what these need in turn comes with them.
_REQUIRED = ("numpy", "scikit-learn", "scipy", "joblib", "pooch", "tqdm", "filelock")


@dataclass(frozen=True)
class EnvironmentSpecification:
    """A Python version and packages, each at one version.

    Attributes
    ----------
    python : str
        Such as ``3.11``.
    packages : tuple of str
        Requirements such as ``numpy==2.4.6``.
    """

    python: str
    packages: tuple[str, ...]

    @property
    def conda(self) -> str:
        """The specification as a conda file; JSON, which is YAML too."""
        dependencies = [f"python={self.python}", "pip", {"pip": list(self.packages)}]
        return json.dumps({"name": "mnistlib", "channels": ["conda-forge"], "dependencies": dependencies}, indent=2)

    @property
    def name(self) -> str:
        """A name that is another one for every other specification, so that what is registered need not be compared."""
        return f"mnistlib-{hashlib.sha256(self.conda.encode()).hexdigest()[:16]}"


def specification_here(*, besides: Sequence[str] = ()) -> EnvironmentSpecification:
    """Return the specification of what runs in this process.

    Parameters
    ----------
    besides : sequence of str
        Further distributions that are installed here and needed there.
    """
    packages = tuple(f"{name}=={version(name)}" for name in (*_REQUIRED, *besides))
    return EnvironmentSpecification(f"{sys.version_info.major}.{sys.version_info.minor}", packages)
