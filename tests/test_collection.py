"""Tests are collected where their packages are installed; a line of the summary counts the others."""

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.collection import ENVIRONMENTS, REQUIRED

ROOT = Path(__file__).parent.parent
NEEDS = "import pytest\n@pytest.mark.needs('pathspec_of_nobody', 'torch')\ndef test_marked(): raise AssertionError\n"
PLAIN = "def test_plain(): pass\n"


def run_pytest(folder: Path, text: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a test module with the plugin, in which two packages are known and missing."""
    (folder / "test_it.py").write_text(text)
    (folder / "conftest.py").write_text(
        "from tests import collection\n"
        "collection.ENVIRONMENTS |= {'pathspec_of_nobody': 'cloud', 'torch_of_nobody': 'torch'}\n"
        "pytest_plugins = ['tests.collection']\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *sys.path]))} | variables
    command = [sys.executable, "-m", "pytest", "-rs", "-o", "markers=needs", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("not collected")]
    return line


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_test_whose_package_is_missing_is_counted_and_neither_run_nor_skipped(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = run_pytest(tmp_path, NEEDS + PLAIN, *options)
    assert done.returncode == 0, done.stdout
    assert line_of(done) == "not collected: 1 test of tox -e cloud"
    assert "1 passed" in done.stdout
    assert "skipped" not in done.stdout.lower()


def test_a_module_that_imports_a_missing_package_is_counted(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(PLAIN)
    done = run_pytest(tmp_path, "import pytest\npytest.importorskip('torch_of_nobody.nn')\n" + PLAIN)
    assert line_of(done) == "not collected: 1 file of tox -e torch"
    assert "1 passed" in done.stdout
    assert "skipped" not in done.stdout.lower()


def test_a_package_that_is_installed_but_fails_at_import_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "torch_of_nobody").mkdir()
    (tmp_path / "torch_of_nobody" / "__init__.py").write_text("import a_package_of_nobody\n")
    text = "import pytest\npytest.importorskip('torch_of_nobody')\n" + PLAIN
    path = os.pathsep.join([str(tmp_path), str(ROOT), *sys.path])
    done = run_pytest(tmp_path, text, "-p", "no:warnings", PYTHONPATH=path)
    assert done.returncode != 0
    assert "No module named 'a_package_of_nobody'" in done.stdout


def test_a_skip_for_another_reason_stays_a_skip(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "import pytest\npytest.skip('only as root', allow_module_level=True)\n")
    assert "only as root" in done.stdout
    assert "not collected" not in done.stdout


def test_a_test_that_is_not_selected_is_not_counted(tmp_path: Path) -> None:
    assert "not collected" not in run_pytest(tmp_path, NEEDS + PLAIN, "-k", "plain").stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_pytest_fails_if_nothing_is_left(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run_pytest(tmp_path, NEEDS, *options).returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_pytest_fails_if_a_required_package_is_missing(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, PLAIN, **{REQUIRED: "pytest torch_of_nobody.nn"})
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "not installed: torch_of_nobody.nn\n" in done.stderr


def test_a_package_without_an_environment_is_an_error(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, NEEDS.replace("pathspec_of_nobody", "unlisted"))
    assert done.returncode != 0
    assert "add the tox environment of unlisted" in done.stdout + done.stderr


def test_every_environment_that_the_summary_may_name_is_one_of_tox() -> None:
    configured = ConfigParser(interpolation=None)
    configured.read(ROOT / "tox.ini")
    assert {f"testenv:{name}" for name in ENVIRONMENTS.values()} <= set(configured)
