"""Data, as a user reads and writes them."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import mnistlib
from mnistlib import Dataset, load_data, load_dataset, read_idx, read_idx_header, write_idx


def idx_files(path: Path, data: bytes) -> None:
    assert_type(read_idx(path), NDArray[Any])
    assert_type(read_idx(data), NDArray[Any])
    assert_type(read_idx(str(path), mmap=True), NDArray[Any])
    header = read_idx_header(path)
    assert_type(header.dtype, np.dtype[Any])
    assert_type(header.shape, tuple[int, ...])
    assert_type(header.nbytes, int)
    assert_type(load_data(path, True), NDArray[Any])
    write_idx(path, [[1, 2], [3, 4]])
    with path.open("wb") as stream:
        write_idx(stream, np.zeros((2, 3), np.float32))


def data_sets(folder: Path) -> None:
    dataset = load_dataset("mnist", limit=100, download=False)
    assert_type(dataset, Dataset)
    assert_type(load_dataset(folder), Dataset)
    assert_type(dataset.train.images, NDArray[np.uint8])
    assert_type(dataset.test.labels, NDArray[np.uint8])
    assert_type(len(dataset.train), int)
    assert_type(dataset.name, str)


def modules() -> None:
    assert_type(mnistlib.__version__, str)
    assert_type(mnistlib.idx.read_idx(b""), NDArray[Any])


def mistakes(path: Path) -> None:
    mnistlib.read_idxx(path)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    mnistlib.linear.LogisticRegressor()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    read_idx(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    load_dataset("mnist", 100)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
