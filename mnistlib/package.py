"""The package as an archive for another machine, and the distributions that it imports there."""

import io
import zipfile
from pathlib import Path

from mnistlib._version import __version__

__all__ = ["FOLDER", "PACKAGE", "REQUIRED", "package"]

#: The folder of this package.
FOLDER = Path(__file__).parent
#: Name of the archive; the node's ``PYTHONPATH`` names it.
PACKAGE = "mnistlib.zip"
#: Distributions that this package imports on a node; their own requirements come with them.
REQUIRED = ("numpy", "scikit-learn", "scipy", "joblib", "pooch", "tqdm", "filelock")

#: Parts of this package that no node needs.
_LEFT_OUT = ("testing", "__pycache__")


def package() -> bytes:
    """Return this package as an archive: of the same files, the same bytes."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:

        def add(name: str, content: bytes) -> None:
            written.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # of 1980, whenever it was written

        for path in sorted(FOLDER.rglob("*")):
            name = path.relative_to(FOLDER)
            if path.is_file() and not set(_LEFT_OUT).intersection(name.parts):
                add(f"mnistlib/{name.as_posix()}", path.read_bytes())
        # What tells the version of this package where it is not installed.
        metadata = f"Metadata-Version: 2.1\nName: mnistlib\nVersion: {__version__}\n"
        add(f"mnistlib-{__version__}.dist-info/METADATA", metadata.encode())
    return archive.getvalue()
