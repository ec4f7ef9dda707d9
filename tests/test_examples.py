"""Every example runs unchanged from any folder, and prints something."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted(Path(__file__).parent.parent.joinpath("examples").glob("*.py"))
#: Example -> its command lines, if it has several -> the modules that each needs beside this package. Warnings of those
#: modules are ignored.
NEEDS = {
    "switch_to_cloud": {(): ("azureml.core",), ("--backend", "azureml-v2"): ("azure.ai.ml",)},
}
RUNS = [
    pytest.param(path, arguments, needed, id="".join([path.stem, *arguments]), marks=pytest.mark.needs(*needed))
    for path in EXAMPLES
    for arguments, needed in NEEDS.get(path.stem, {(): ()}).items()
]


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(("path", "arguments", "needed"), RUNS)
def test_the_example_runs_and_leaves_nothing_behind(
    path: Path, arguments: tuple[str, ...], needed: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore" if needed else "error", path, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert "equal coefficients: False" not in done.stdout
    # Hypothesis writes a folder of its own, and a script for jobs writes to outputs.
    assert {path.name for path in tmp_path.iterdir()} <= {".hypothesis", "outputs"}
