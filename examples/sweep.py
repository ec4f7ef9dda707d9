"""Find the best regularization: trials share their passes over the images, and only the best is scored on the test."""

import tempfile

import mnistlib

with tempfile.TemporaryDirectory() as runs:
    job = mnistlib.SweepJob(
        base=mnistlib.TrainJob(dataset="digits"),
        regularization=[0.01, 0.1, 1.0, 10.0],
    )
    run = mnistlib.LocalBackend(runs).submit(job)
    run.wait()
    for value, child in zip(job.regularization, run.children(), strict=True):
        print(f"{value:>5g}  validation accuracy {child.metrics().latest['accuracy']:.4f}")
    result = run.result()
    print(
        f"best regularization {result.metrics['best_regularization']:g}, test accuracy {result.metrics['accuracy']:.4f}"
    )
