"""Archive of this package for a cluster's node, and the distributions that the package requires there."""

import io
import zipfile
from pathlib import Path

from mnistlib._distribution import DISTRIBUTION, metadata_folder
from mnistlib._version import __version__

__all__ = ["FOLDER", "PACKAGE", "REQUIRED", "package"]

#: Folder of this package.
FOLDER = Path(__file__).parent
#: Name of the archive, listed in the node's ``PYTHONPATH``.
PACKAGE = "mnistlib.zip"
#: Distributions that this package imports on a node, without their own requirements.
REQUIRED = ("numpy", "scikit-learn", "scipy", "joblib", "pooch", "tqdm", "filelock")

#: Parts of this package that are not needed on a node.
_LEFT_OUT = ("testing", "__pycache__")


def package() -> bytes:
    """Return this package as a reproducible archive: the same files give the same bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:

        def add(name: str, content: bytes) -> None:
            written.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # with a fixed time stamp, of 1980

        for path in sorted(FOLDER.rglob("*")):
            name = path.relative_to(FOLDER)
            if path.is_file() and not set(_LEFT_OUT).intersection(name.parts):
                add(f"mnistlib/{name.as_posix()}", path.read_bytes())
        # Metadata from which importlib.metadata reads the version, because the package is not installed on the node.
        metadata = f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {__version__}\n"
        add(f"{metadata_folder(__version__)}/METADATA", metadata.encode())
    return archive.getvalue()
