"""The Azure ML tutorial with mnistlib: arrays of the shapes and the pickle that the tutorial's code expects."""

import tempfile
from pathlib import Path

import joblib
import numpy as np

import mnistlib

with tempfile.TemporaryDirectory() as folder:
    digits = mnistlib.load_dataset("digits")
    mnistlib.write_idx(Path(folder, "test-images.gz"), digits.test.images)
    mnistlib.write_idx(Path(folder, "test-labels.gz"), digits.test.labels)

    # As in the tutorial's train.py: images as rows between 0 and 1, labels as a column.
    X_test = mnistlib.load_data(Path(folder, "test-images.gz"), False) / 255.0
    y_test = mnistlib.load_data(Path(folder, "test-labels.gz"), True).reshape(-1)
    print(X_test.shape, y_test.shape)

    job = mnistlib.TrainJob(dataset="digits", solver="liblinear", regularization=0.5)
    result = mnistlib.LocalBackend(Path(folder, "runs")).run(job)

    # As in the tutorial's score.py: a plain scikit-learn model in sklearn_mnist_model.pkl.
    model = joblib.load(result.path / "outputs" / "sklearn_mnist_model.pkl")
    print(f"accuracy {np.mean(model.predict(X_test) == y_test):.3f}")
