"""Files with images, for tests of the commands that score them."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from mnistlib import Dataset
from mnistlib.models.artifact import SavedModel
from tests.serving.png_files import png
from tests.serving.servers import digit_picture, idx


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """A folder with three digits in every kind of file."""
    folder = tmp_path_factory.mktemp("files")
    images = digits.test.images[:3]
    (folder / "three.idx").write_bytes(idx(images))
    (folder / "three.idx.gz").write_bytes(gzip.compress(idx(images)))
    (folder / "three.json").write_text("\n" + json.dumps({"data": (images.reshape(3, -1) / 255).tolist()}))
    (folder / "one.png").write_bytes(png(digit_picture(images[0])))
    (folder / "noise").write_bytes(b"noise")
    (folder / "large.idx").write_bytes(idx(np.zeros((2, 28, 28), np.uint8)))
    return folder


@pytest.fixture(scope="module")
def labels(digits: Dataset, digits_model: SavedModel) -> list[str]:
    return [str(label) for label in digits_model.predict(digits.test.images[:3])]
