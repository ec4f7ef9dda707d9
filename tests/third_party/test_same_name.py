"""Installation beside mnistlib 0.0.18, another project's distribution with a package `mnistlib`."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from mnistlib._distribution import DISTRIBUTION, REMEDY

OTHER = "mnistlib==0.0.18"
OTHER_METADATA = "mnistlib-0.0.18.dist-info"

pytestmark = pytest.mark.slow  # it installs the package and its dependencies anew


@pytest.fixture(scope="module", autouse=True)
def _index(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("download")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), OTHER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        (pytest.fail if "CI" in os.environ else pytest.skip)(
            f"{OTHER} cannot be downloaded from the package index: {done.stderr}"
        )


class Site:
    """A new virtual environment."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self._folder = folder
        self._environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._environment["COLUMNS"] = "1000"  # the doctor wraps no line

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [self._folder / "bin" / words[0], *words[1:]]
        return subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )

    def pip(self, *words: str | Path) -> None:
        done = self.run("pip", *words)
        assert done.returncode == 0, done.stderr


def assert_is_replaced(site: Site) -> None:
    """Assert that every command fails with the remedy."""
    for words in (["mnistlib", "doctor"], ["python", "-m", "mnistlib", "doctor"], ["mnistlib", "datasets"]):
        done = site.run(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "__init__.py was replaced or deleted by another distribution" in done.stderr
        assert REMEDY in done.stderr


def assert_is_mended(site: Site, wheel: Path) -> None:
    """Assert that the commands of the remedy end the conflict."""
    assert f"pip uninstall -y mnistlib {DISTRIBUTION};" in REMEDY
    site.pip("uninstall", "-y", "mnistlib", DISTRIBUTION)
    site.pip("install", wheel)
    done = site.run("python", "-c", "import mnistlib; print(mnistlib.load_dataset('digits').name)")
    assert (done.stdout, done.stderr) == ("digits\n", "")
    assert "local is ready" in site.run("mnistlib", "doctor").stdout


def test_installed_after_the_other_the_package_works_and_warns_until_the_other_is_uninstalled(
    tmp_path: Path, wheel: Path
) -> None:
    site = Site(tmp_path / "venv")
    site.pip("install", OTHER)
    site.pip("install", wheel)
    imported = site.run("python", "-c", "import mnistlib; print(mnistlib.load_dataset('digits').name)")
    assert imported.stdout == "digits\n"
    assert f"RuntimeWarning: {OTHER_METADATA} is of another distribution" in imported.stderr
    assert REMEDY in imported.stderr
    examined = site.run("mnistlib", "doctor")
    assert examined.returncode == 1
    assert f"mnistlib     FAILED  {OTHER_METADATA} is of another distribution" in examined.stdout
    assert REMEDY in examined.stdout
    site.pip("uninstall", "-y", "mnistlib")
    assert_is_replaced(site)
    assert_is_mended(site, wheel)


def test_replaced_by_the_other_every_command_fails_with_the_remedy(tmp_path: Path, wheel: Path) -> None:
    site = Site(tmp_path / "venv")
    site.pip("install", wheel)
    site.pip("install", OTHER)
    assert_is_replaced(site)
    site.pip("uninstall", "-y", "mnistlib")
    assert_is_replaced(site)
    assert_is_mended(site, wheel)
