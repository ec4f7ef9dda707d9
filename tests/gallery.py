"""Draw the README's pictures again by running the notebooks: ``python -m tests.gallery``."""

import tempfile
from pathlib import Path

from tests.notebooks import BOOKS, pictures, pictures_in, run_notebook

GALLERY = Path(__file__).parent.parent / "docs" / "gallery"


def draw(folder: Path) -> None:
    """Run the notebooks that draw pictures for the gallery, and write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as runs:
        for path in filter(pictures_in, BOOKS):
            for name, content in pictures(run_notebook(path, Path(runs))):
                (folder / name).write_bytes(content)


if __name__ == "__main__":
    draw(GALLERY)
