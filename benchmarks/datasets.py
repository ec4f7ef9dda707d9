"""Time of the first and the second load of MNIST: ``python -m benchmarks.datasets [--json]``.

Needs the four files in $MNISTLIB_DATA/mnist.
"""

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.harness import Bar, arguments, show, time_in_turns
from mnistlib import load_dataset

MOST_SECOND = 0.050  # seconds


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # a cache of its own

        def first() -> object:
            shutil.rmtree(Path(folder, "mnistlib"), ignore_errors=True)
            return load_dataset("mnist", download=False)

        def second() -> object:
            return load_dataset("mnist", download=False)

        timings = time_in_turns({"first load": first, "second load": second}, rounds=9)
    rows = [{"what": name, "median ms": timings.median(name) * 1e3} for name in timings.seconds]
    seconds = timings.median("second load")
    bar = Bar(
        "second load of mnist", f"under {MOST_SECOND * 1e3:.0f} ms", f"{seconds * 1e3:.1f} ms", seconds < MOST_SECOND
    )
    show({"load_dataset('mnist')": rows}, [bar], as_json=options.json)


if __name__ == "__main__":
    main()
