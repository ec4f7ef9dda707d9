import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

#: A distribution of its own, whose tests run where it is installed.
collect_ignore = ["toy"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that tox has installed; outside of tox, a new one."""
    if built := os.environ.get("TOX_PACKAGE"):
        return Path(built)
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):  # a copy, since a build leaves its files in the source
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "mnistlib", source / "mnistlib", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    (wheel,) = folder.iterdir()
    return wheel
