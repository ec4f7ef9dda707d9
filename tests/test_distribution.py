"""Name of the distribution, and conflicts with another distribution of a package `mnistlib`."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mnistlib._distribution import DISTRIBUTION, REMEDY, conflict, install_command
from mnistlib.package import FOLDER, PACKAGE, package

ROOT = Path(__file__).parent.parent
OTHER = "mnistlib-0.0.18.dist-info"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package, as an installer leaves it."""
    shutil.copytree(FOLDER, tmp_path / "site" / "mnistlib", ignore=shutil.ignore_patterns("__pycache__", "testing"))
    (tmp_path / "site" / "mnistlib_ml-0.1.0.dist-info").mkdir()
    return tmp_path / "site"


def python(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(site), "COLUMNS": "400"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)


def test_the_project_file_has_the_same_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION
    assert f"{DISTRIBUTION}[azureml]" in project["optional-dependencies"]["azureml-dataset"]


def test_the_citation_has_the_version_of_the_project_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nversion: {project['version']}\n" in (ROOT / "CITATION.cff").read_text()


def test_a_command_names_the_distribution_and_the_extra() -> None:
    assert install_command() == "pip install mnistlib-ml"
    assert install_command("plots") == 'pip install "mnistlib-ml[plots]"'


def test_this_installation_has_no_conflict() -> None:
    assert conflict() == ""


def test_an_import_without_another_distribution_is_silent(site: Path) -> None:
    done = python(site, "-c", "import mnistlib; print(mnistlib.__file__)")
    assert (done.stdout, done.stderr) == (f"{site}/mnistlib/__init__.py\n", "")


def test_an_archive_has_no_conflict(tmp_path: Path) -> None:
    (tmp_path / PACKAGE).write_bytes(package())
    done = python(tmp_path / PACKAGE, "-c", "import mnistlib; print(mnistlib.__file__)")
    assert (done.stdout, done.stderr) == (f"{tmp_path / PACKAGE}/mnistlib/__init__.py\n", "")


def test_an_import_beside_another_distribution_warns_with_the_remedy(site: Path) -> None:
    (site / OTHER).mkdir()
    done = python(site, "-c", "import mnistlib; print(mnistlib.__version__)")
    assert done.returncode == 0
    assert f"RuntimeWarning: {OTHER} is of another distribution" in done.stderr
    assert REMEDY in done.stderr


def test_the_doctor_fails_beside_another_distribution_with_the_remedy(site: Path) -> None:
    (site / OTHER).mkdir()
    done = python(site, "-W", "ignore", "-m", "mnistlib", "doctor")
    assert done.returncode == 1
    assert f"mnistlib     FAILED  {OTHER} is of another distribution" in done.stdout
    assert f"-> {REMEDY}" in done.stdout


@pytest.mark.parametrize("damage", ["overwritten", "deleted"])
@pytest.mark.parametrize("command", [["doctor"], ["--version"]], ids=" ".join)
def test_every_command_fails_with_the_remedy_without_its_own_init_file(
    site: Path, damage: str, command: list[str]
) -> None:
    file = site / "mnistlib" / "__init__.py"
    if damage == "overwritten":
        file.write_text("import math\n")
    else:
        file.unlink()
    # Without site-packages: an installed package is preferred to a folder without that file.
    done = python(site, "-S", "-m", "mnistlib", *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"mnistlib: error: {file} was replaced or deleted by another distribution")
    assert done.stderr.endswith(f"{REMEDY}\n")


def test_a_package_that_hides_an_editable_installation_is_named(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "mnistlib" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'other')!r}); import mnistlib; "
        f"mnistlib.__path__.append({str(site / 'mnistlib')!r}); from mnistlib._distribution import conflict; "
        "print(conflict())"
    )
    done = python(site, "-c", code)
    assert done.stdout == f"{other} is of another distribution, mnistlib, and hides {site / 'mnistlib'}\n"
