"""Every example runs as it stands, from any folder, and prints something."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parent.parent.joinpath("examples").glob("*.py"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_example_runs_and_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", path], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    # Hypothesis keeps a folder of its own wherever it runs, and a script for jobs writes to outputs.
    assert {path.name for path in tmp_path.iterdir()} <= {".hypothesis", "outputs"}
