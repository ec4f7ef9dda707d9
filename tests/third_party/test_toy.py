"""A backend of another distribution, in a fresh virtual environment that knows nothing of this checkout."""

import json
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOY = Path(__file__).parent / "toy"

pytestmark = pytest.mark.slow  # it installs the package and its dependencies anew


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The folder of the programs of an environment with mnistlib and the toy."""
    folder = tmp_path_factory.mktemp("third_party")
    toy = folder / "toy"  # a copy, since a build leaves its files in the source
    shutil.copytree(TOY, toy, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", f"{wheel}[serve,testing]", toy], check=True)
    return programs


def run(programs: Path, folder: Path, *words: str) -> str:
    """Return the standard output of a program of the environment, which must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(programs / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_line_trains_on_it(programs: Path, tmp_path: Path) -> None:
    options = ("--backend", "toy", "--processes", "2", "--runs", "here", "--json")
    told = json.loads(run(programs, tmp_path, "mnistlib", "train", "--dataset", "digits", *options))
    assert (told["status"], told["converged"]) == ("completed", True)
    assert Path(told["model"]).is_file()


def test_the_doctor_makes_its_checks(programs: Path, tmp_path: Path) -> None:
    told = run(programs, tmp_path, "mnistlib", "doctor", "--backend", "toy")
    assert "a process imports mnistlib" in told
    assert "toy is ready" in told


def test_help_names_it_and_its_options(programs: Path, tmp_path: Path) -> None:
    told = run(programs, tmp_path, "mnistlib", "train", "--help")
    assert "local, azureml, azureml-v2, toy" in " ".join(told.split())
    assert "on toy:" in told
    assert "--processes N" in told


def test_an_option_of_it_is_checked(programs: Path, tmp_path: Path) -> None:
    command = [str(programs / "mnistlib"), "train", "--backend", "toy", "--processes", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "processes must be" in done.stderr


def test_it_holds_the_contract(programs: Path, tmp_path: Path) -> None:
    shutil.copytree(TOY / "tests", tmp_path / "tests")
    told = run(programs, tmp_path, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    passed = int(told.rpartition(" passed")[0].rpartition("\n")[2].split()[-1])
    assert passed > 60


def test_no_file_of_the_package_names_it() -> None:
    for path in (ROOT / "mnistlib").rglob("*"):
        if path.is_file() and path.suffix in (".py", ".js", ".css", ".html"):
            assert not re.search(r"\btoy(\b|_)", path.read_text(), re.IGNORECASE), path
