"""Types of the public names in code of users, by mypy and pyright, with the installed package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mnistlib

pytest.importorskip("mypy")
pytest.importorskip("pyright")

USER_CODE = Path(__file__).parent / "user_code"

#: Names whose base class or parameter is scikit-learn's, which is untyped.
OF_SCIKIT_LEARN = {"LogisticRegression", "regularization_path"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the code, outside of this checkout, so that only the installed package is found."""
    return shutil.copytree(USER_CODE, tmp_path / "user_code")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_mypy_sees_the_types(folder: Path) -> None:
    done = run(folder, "mypy", "--strict", "--cache-dir", ".mypy_cache", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright_sees_the_types(folder: Path) -> None:
    settings = {
        "typeCheckingMode": "strict",
        "enableTypeIgnoreComments": False,  # those are for mypy
        "reportUnnecessaryTypeIgnoreComment": True,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    done = run(folder, "pyright", "--pythonpath", sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_type_of_a_public_name_is_known(tmp_path: Path) -> None:
    done = run(tmp_path, "pyright", "--verifytypes", "mnistlib", "--ignoreexternal", "--outputjson")
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    known = {symbol["name"].removeprefix("mnistlib."): symbol["isTypeKnown"] for symbol in symbols}
    assert {name for name in mnistlib.__all__ if not known[name]} == OF_SCIKIT_LEARN
