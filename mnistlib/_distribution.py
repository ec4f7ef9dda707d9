"""Name of this project's distribution, and conflicts with another distribution in the same folder.

On the package index, the name mnistlib belongs to another project, whose only file is ``mnistlib/__init__.py``. If both
are installed in one folder, the later one overwrites that file of the other, and uninstalling either deletes it.

Imports no other module of the package, so that each of them may import it.
"""

import os
import sys

__all__ = ["DISTRIBUTION", "REMEDY", "conflict", "install_command", "is_replaced", "metadata_folder"]

#: Name for pip and for package metadata. The name to import is ``mnistlib``.
DISTRIBUTION = "mnistlib-ml"
#: Advice that ends a conflict.
REMEDY = (
    f"Run: pip uninstall -y mnistlib {DISTRIBUTION}; then install {DISTRIBUTION} again: pip install {DISTRIBUTION}, "
    "or with the path of its wheel or checkout instead of the name."
)


def install_command(extra: str = "") -> str:
    """Return the pip command that installs missing or outdated requirements, those of an extra too.

    pip keeps the installed distribution, also one from a wheel or a checkout. With ``--upgrade``, it would replace it.
    """
    return f'pip install "{DISTRIBUTION}[{extra}]"' if extra else f"pip install {DISTRIBUTION}"


def metadata_folder(version: str) -> str:
    """Return the name of the metadata folder of a version of this distribution."""
    return f"{DISTRIBUTION.replace('-', '_')}-{version}.dist-info"


def is_replaced() -> bool:
    """Return whether ``mnistlib/__init__.py`` was overwritten or deleted by another distribution."""
    return not hasattr(sys.modules["mnistlib"], "_MODULE_OF")


def conflict() -> str:
    """Describe the conflict with another distribution; empty without one.

    Reads one folder, the parent of the package: in a checkout or an archive it has no metadata of a distribution.
    """
    # Without pathlib, which "import mnistlib" does not load.
    package = os.path.dirname(__file__)  # noqa: PTH120
    if is_replaced():
        imported = getattr(sys.modules["mnistlib"], "__file__", None)
        if imported and os.path.dirname(imported) != package:  # noqa: PTH120
            return f"{imported} is of another distribution, mnistlib, and hides {package}"
        return f"{package}/__init__.py was replaced or deleted by another distribution, mnistlib"
    try:
        names = os.listdir(os.path.dirname(package))  # noqa: PTH120, PTH208
    except OSError:  # an archive
        return ""
    for name in names:
        if name.startswith("mnistlib-") and name.endswith((".dist-info", ".egg-info")):
            return f"{name} is of another distribution with files in {package}: uninstalling it breaks {DISTRIBUTION}"
    return ""
