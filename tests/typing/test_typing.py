"""Types of the public names in code of users, by mypy and pyright, with the installed package."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed; the tox environment types has it")
pytest.importorskip("pyright", reason="pyright is not installed; the tox environment types has it")

USER_CODE = Path(__file__).parent / "user_code"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the code, outside of this checkout, so that only the installed package is found."""
    return shutil.copytree(USER_CODE, tmp_path / "user_code")


def check(folder: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_sees_the_types(folder: Path) -> None:
    check(folder, "mypy", "--strict", "--cache-dir", ".mypy_cache", ".")


def test_pyright_sees_the_types(folder: Path) -> None:
    settings = {
        "typeCheckingMode": "strict",
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": True,
        "reportUnusedExpression": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    check(folder, "pyright", "--pythonpath", sys.executable)
