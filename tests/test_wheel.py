"""The wheel that tox installs, and in its environment "wheel" the distributions for the package index."""

import configparser
import os
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import mnistlib
from mnistlib._distribution import DISTRIBUTION, metadata_folder

ROOT = Path(__file__).parent.parent
METADATA = metadata_folder(mnistlib.__version__)

if "TOX_PACKAGE" not in os.environ:
    pytest.skip("tox has not built a wheel", allow_module_level=True)


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel() -> dict[str, bytes]:
    """Return the content of the wheel."""
    return content(Path(os.environ["TOX_PACKAGE"]))


@pytest.fixture(scope="module")
def built() -> Path:
    """Return the folder of the source distribution, and of the wheel built from it."""
    folder = os.environ.get("DISTRIBUTIONS")
    if folder is None:
        pytest.skip("only the tox environment wheel builds a source distribution")
    return Path(folder)


def package_files() -> dict[str, bytes]:
    paths = [path for path in (ROOT / "mnistlib").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}


def test_it_has_exactly_the_files_of_the_package(wheel: dict[str, bytes]) -> None:
    expected = package_files()
    assert {name: data for name, data in wheel.items() if not name.startswith(f"{METADATA}/")} == expected
    assert "mnistlib/py.typed" in expected
    assert {Path(name).suffix for name in expected} == {".py", ".typed", ".css", ".html", ".js"}


def test_its_metadata_has_the_license_and_the_command(wheel: dict[str, bytes]) -> None:
    names = {name.removeprefix(f"{METADATA}/") for name in wheel if name.startswith(METADATA)}
    assert names == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
    assert wheel[f"{METADATA}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    entries = configparser.ConfigParser()
    entries.read_string(wheel[f"{METADATA}/entry_points.txt"].decode())
    assert dict(entries["console_scripts"]) == {"mnistlib": "mnistlib.cli:main"}


def test_its_metadata_names_the_distribution_and_shows_the_readme(wheel: dict[str, bytes]) -> None:
    metadata = Parser().parsestr(wheel[f"{METADATA}/METADATA"].decode())
    assert (metadata["Name"], metadata["Version"]) == (DISTRIBUTION, mnistlib.__version__)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text().strip()


def test_the_tests_import_the_package_that_it_installs(wheel: dict[str, bytes]) -> None:
    installed = Path(sysconfig.get_path("purelib"))
    assert Path(mnistlib.__file__) == installed / "mnistlib" / "__init__.py"
    for name in package_files():
        assert (installed / name).read_bytes() == wheel[name]


def test_the_wheel_of_the_source_distribution_has_the_same_files(wheel: dict[str, bytes], built: Path) -> None:
    (other,) = built.glob("*.whl")
    assert content(other) == wheel


def test_the_source_distribution_has_no_tests_and_no_benchmarks(built: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2].partition("/")[0] for name in archive.getnames()}
    assert names - {""} == {
        *("LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "mnistlib", "mnistlib_ml.egg-info", "pyproject.toml"),
        "setup.cfg",
    }
