import subprocess
import sys
from collections.abc import Callable

import pytest

RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=[pytest.param("isal", marks=pytest.mark.needs("isal")), "zlib"])
def gzip_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two gzip readers: that of the `speed` extra, and the one without it."""
    name = str(request.param)
    if name == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    return name


@pytest.fixture(scope="session")
def run_python() -> RunPython:
    """Run Python code, with arguments, in a process of its own."""

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run
