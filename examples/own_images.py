"""Train on images of your own: write them as IDX files, then train on their folder."""

import tempfile
from pathlib import Path

import numpy as np

import mnistlib


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy 12 x 12 images of horizontal (0) or vertical (1) stripes, and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count).astype(np.uint8)
    row, column = np.indices((12, 12))
    patterns = np.stack([row % 4 < 2, column % 4 < 2])
    ink = np.where(patterns[labels], 200, 40)
    return np.clip(ink + generator.normal(0, 40, ink.shape), 0, 255).astype(np.uint8), labels


with tempfile.TemporaryDirectory() as folder:
    for part, count, seed in (("train", 400, 1), ("test", 100, 2)):
        images, labels = stripes(count, seed)
        mnistlib.write_idx(Path(folder, f"{part}-images.gz"), images)
        mnistlib.write_idx(Path(folder, f"{part}-labels.gz"), labels)

    print(mnistlib.load_dataset(folder).train)
    result = mnistlib.LocalBackend(Path(folder, "runs")).run(mnistlib.TrainJob(dataset=folder, regularization=1.0))
    print(f"accuracy {result.metrics['accuracy']:.2f}")
