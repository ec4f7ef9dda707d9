"""Installation cost of the SDKs of Azure Machine Learning: packages, megabytes, and seconds to import.

``python -m benchmarks.install`` makes a virtual environment for each extra, and measures it before and after the extra
is installed. It needs a package index.
"""

import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Extra -> the module to import.
EXTRAS = {"azureml": "azureml.core", "azureml-v2": "azure.ai.ml"}
IMPORTS = 5


def main() -> None:
    """Install each extra and print a table."""
    print("| extra | packages | MB | import |")
    print("|---|---|---|---|")
    for extra, module in EXTRAS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            venv.create(folder, with_pip=True)
            python = str(folder / "bin/python")
            pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
            subprocess.run([*pip, "install", str(ROOT)], check=True)
            before = packages(folder), megabytes(folder)
            subprocess.run([*pip, "install", f"{ROOT}[{extra}]"], check=True)
            code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
            command = [python, "-W", "ignore", "-c", code]
            # The first import also compiles the modules.
            _, *seconds = [float(subprocess.check_output(command, text=True)) for _ in range(IMPORTS + 1)]
            more = packages(folder) - before[0], megabytes(folder) - before[1]
            print(f"| `{extra}` | {more[0]} | {more[1]:.0f} | {statistics.median(seconds):.1f} s |", flush=True)


def packages(folder: Path) -> int:
    """Return the number of installed packages."""
    return sum(1 for _ in folder.rglob("*.dist-info"))


def megabytes(folder: Path) -> float:
    """Return the size of a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
