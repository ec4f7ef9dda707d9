"""Run a script as three jobs: the iris SVC with three kernels, and a comparison of their accuracies."""

import tempfile
from pathlib import Path

import mnistlib

with tempfile.TemporaryDirectory() as runs:
    backend = mnistlib.LocalBackend(runs)
    submitted = {}
    for kernel in ("linear", "poly", "rbf"):
        job = mnistlib.ScriptJob(
            script="iris_svc.py",
            arguments=["--kernel", kernel, "--penalty", 0.5],
            source_directory=str(Path(__file__).parent),
        )
        submitted[kernel] = backend.submit(job, experiment="iris", name=kernel)
    for kernel, run in submitted.items():
        run.wait()
        print(f"{kernel:<7} {run.status}  accuracy {run.metrics().latest['accuracy']:.3f}")
    print([name for name in run.files() if name.startswith("outputs/")])
