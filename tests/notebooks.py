"""The example notebooks: their cells, a run from top to bottom in a new kernel, and their pictures."""

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mnistlib import LocalBackend

EXAMPLES = Path(__file__).parent.parent / "examples"
BOOKS = sorted(EXAMPLES.glob("*.ipynb"))

#: Tag of the cell that selects the backend.
WHERE = "backend"

_LONGEST_CELL = 300  # seconds


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook's file, the source of each as one text."""
    cells = json.loads(path.read_text())["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == "code"]


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """Return a cell's tags."""
    return list(cell["metadata"].get("tags", ()))


def backend_snippets(path: Path) -> list[str]:
    """Return the alternatives for the cell that selects the backend, from the text of a notebook."""
    cells = json.loads(path.read_text())["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def run_notebook(
    path: Path, folder: Path, *, where: str | None = None, environment: Mapping[str, str] | None = None
) -> Any:
    """Run a notebook among copies of its folder's files, and return it with its outputs; an error in a cell is raised.

    Services that it deployed are deleted.

    Parameters
    ----------
    path : Path
        The notebook.
    folder : Path
        Folder for the copies.
    where : str, optional
        Code for the cell that selects the backend.
    environment : mapping of str to str, optional
        Variables for the kernel, beside those of this process.
    """
    import nbclient
    import nbformat

    here = folder / path.stem
    here.mkdir()
    for file in filter(Path.is_file, path.parent.iterdir()):
        shutil.copy(file, here)
    book: Any = nbformat.read(path, as_version=4)
    if where is not None:
        (cell,) = (cell for cell in book.cells if WHERE in tags_of(cell))
        cell.source = where
    kernel: Any = nbclient.NotebookClient(book, timeout=_LONGEST_CELL, resources={"metadata": {"path": str(here)}})
    kernel.create_kernel_manager().kernel_spec.argv[0] = sys.executable
    runs = here / "runs"
    try:
        kernel.execute(env={**os.environ, **(environment or {}), "MNISTLIB_RUNS": str(runs)})
    finally:
        for service in LocalBackend(runs).services.list():
            service.delete()
    return book


def pictures_in(path: Path) -> list[str]:
    """Return the names of the pictures that a notebook draws for the gallery: cell tags that are file names."""
    return [tag for cell in code_cells(path) for tag in tags_of(cell) if tag.endswith(".png")]


def pictures(book: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the names and pictures that an executed notebook has for the gallery."""
    for cell in book.cells:
        for name in tags_of(cell):
            if name.endswith(".png"):
                (content,) = (
                    output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", ())
                )
                yield name, base64.b64decode(content)
