"""The solver of this checkout against that of another, such as an earlier version, on MNIST.

    git worktree add /tmp/earlier 65f0aa9
    python -m benchmarks.earlier /tmp/earlier

Each fit runs in a process of its own, in turns; the printed times are medians of CPU time. The two versions stop at
different objectives, so the time of this checkout is that until it reaches the objective at which the other stops.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
ROUNDS = 5


def fit(checkout: Path, C: float) -> dict[str, Any]:
    """Fit in a new process with the package of a checkout; return CPU seconds, objective and passes of each step."""
    command = [sys.executable, str(Path(__file__).resolve()), "--fit", str(C)]
    variables = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Not in this checkout, whose package would come first.
    done = subprocess.run(command, cwd=checkout, env=os.environ | variables, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def fit_here(C: float) -> None:
    """Print the steps of a fit as JSON."""
    import mnistlib  # that of PYTHONPATH

    digits = mnistlib.load_dataset("mnist").train
    X, y = digits.images.reshape(len(digits), -1), digits.labels
    steps: list[tuple[float, float, float]] = []
    model = mnistlib.LogisticRegression(
        C=C,
        pixel_scale=1 / 255,
        callback=lambda step: steps.append((time.process_time() - started, step.objective, step.passes)),
    )
    started = time.process_time()
    model.fit(X, y)
    print(json.dumps({"seconds": time.process_time() - started, "steps": steps}))


def compare(other: Path, C: float) -> str:
    """Return a line about the fits of both checkouts."""
    others, whole, reached = [], [], []
    for _ in range(ROUNDS):
        theirs, ours = fit(other, C), fit(HERE, C)
        target, their_passes = theirs["steps"][-1][1:]
        seconds, passes = next((step[0], step[2]) for step in ours["steps"] if step[1] <= target)
        others.append(theirs["seconds"])
        whole.append(ours["seconds"] / theirs["seconds"])
        reached.append(seconds / theirs["seconds"])
    return (
        f"C = {C:g}: other {statistics.median(others):.2f} s, {their_passes:.1f} passes, to {target:.1f}; "
        f"this one to the same objective {statistics.median(reached):.2f}x, {passes:.1f} passes; "
        f"its whole fit {statistics.median(whole):.2f}x, {ours['steps'][-1][2]:.1f} passes, "
        f"to {ours['steps'][-1][1]:.1f}"
    )


def main() -> None:
    """Compare the checkouts for three values of C."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.earlier", description=__doc__)
    parser.add_argument("checkout", type=Path, nargs="?", help="folder of the other checkout")
    parser.add_argument("--fit", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit is not None:
        fit_here(options.fit)
        return
    if options.checkout is None:
        parser.error("name the folder of the other checkout")
    for C in (100, 2, 1.25):
        print(compare(options.checkout.resolve(), C), flush=True)


if __name__ == "__main__":
    main()
