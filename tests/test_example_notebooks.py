"""Every example notebook runs from top to bottom without a network, and in the cloud with one cell changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mnistlib.backends import specs
from tests.azureml import with_sdk
from tests.gallery import GALLERY, draw
from tests.loopback import LOOPBACK, ON_THE_PATH, install
from tests.notebooks import BOOKS, WHERE, backend_snippets, code_cells, pictures_in, run_notebook, tags_of

README = (GALLERY.parent.parent / "README.md").read_text()
TITLES = [path.stem for path in BOOKS]
SELECTS_LOCAL = 'backend = mnistlib.get_backend("local")'

_LARGEST = 60_000  # bytes of a picture, since every clone downloads it

runs_notebooks = pytest.mark.needs("nbclient", "ipykernel", "matplotlib")


@pytest.fixture
def environment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return variables that make a kernel log resolved hosts in `hosts` and use temporary folders."""
    for name in ("watch", "home"):
        (tmp_path / name).mkdir()
    install(tmp_path / "watch", tmp_path / "hosts", starter=ON_THE_PATH)
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path / "watch"), os.environ.get("PYTHONPATH")])),
        "HOME": str(tmp_path / "home"),
        # matplotlib's font cache, which takes seconds to build.
        "MPLCONFIGDIR": str(tmp_path_factory.getbasetemp() / "matplotlib"),
    }


def resolved_hosts(tmp_path: Path) -> set[str]:
    return set((tmp_path / "hosts").read_text().split())


def test_there_are_notebooks() -> None:
    assert TITLES == ["iris", "tutorial_1_train", "tutorial_2_deploy"]


@pytest.mark.parametrize("path", BOOKS, ids=TITLES)
def test_only_the_first_cell_after_the_imports_selects_the_backend(path: Path) -> None:
    imports, where, *rest = code_cells(path)
    assert "import mnistlib" in imports["source"]
    assert (where["source"], tags_of(where)) == (SELECTS_LOCAL, [WHERE])
    for cell in rest:
        assert WHERE not in tags_of(cell)
        assert not re.search(r"get_backend|LocalBackend|azure", cell["source"], re.IGNORECASE)


@pytest.mark.parametrize("path", BOOKS, ids=TITLES)
def test_the_text_names_all_other_backends(path: Path) -> None:
    named = re.findall(r'get_backend\("([^"]+)"', "".join(backend_snippets(path)))
    assert set(named) == set(specs()) - {"local"}


@pytest.mark.needs("nbstripout")
def test_the_notebooks_are_stripped() -> None:
    strip = [sys.executable, "-m", "nbstripout", "--extra-keys", "metadata.language_info"]
    done = subprocess.run([*strip, "--verify", *BOOKS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"strip them as CONTRIBUTING.md says: {done.stdout}"


@runs_notebooks
@pytest.mark.parametrize("path", BOOKS, ids=TITLES)
def test_the_notebook_runs_without_a_network_and_without_a_warning(
    path: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    book = run_notebook(path, tmp_path, environment=environment)
    said = [output for cell in book.cells for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
    assert said == []
    assert resolved_hosts(tmp_path) <= LOOPBACK


@runs_notebooks
def test_a_cell_that_fails_and_a_host_that_is_asked_are_seen(tmp_path: Path, environment: dict[str, str]) -> None:
    where = "import socket; socket.getaddrinfo('nowhere.invalid', 443)"
    with pytest.raises(Exception, match="gaierror"):
        run_notebook(BOOKS[0], tmp_path, where=where, environment=environment)
    assert resolved_hosts(tmp_path) == {"nowhere.invalid"}


def test_the_gallery_has_the_pictures_that_the_notebooks_draw_and_the_readme_shows() -> None:
    drawn = {name for path in BOOKS for name in pictures_in(path)}
    assert {path.name for path in GALLERY.iterdir()} == drawn, "draw them as CONTRIBUTING.md says"
    assert set(re.findall(r"docs/gallery/([^)\s]+)", README)) == drawn


@runs_notebooks
def test_the_command_for_the_gallery_draws_its_pictures(tmp_path: Path) -> None:
    draw(tmp_path / "gallery")
    drawn = {path.name: path.stat().st_size for path in (tmp_path / "gallery").iterdir()}
    assert set(drawn) == {path.name for path in GALLERY.iterdir()}
    assert max(drawn.values()) < _LARGEST


@runs_notebooks
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", list(map(with_sdk, sorted(set(specs()) - {"local"}))))
@pytest.mark.parametrize("path", BOOKS, ids=TITLES)
def test_with_one_cell_changed_the_notebook_runs_in_the_cloud(
    path: Path, backend: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    (way,) = (way for way in backend_snippets(path) if "Emulator" in way)
    where = re.sub(r'get_backend\("[^"]+"', f'get_backend("{backend}"', way)
    run_notebook(path, tmp_path, where=where, environment=environment)
    assert resolved_hosts(tmp_path) <= LOOPBACK
