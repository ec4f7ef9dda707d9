"""Atomic writing of an array as IDX."""

import gzip
import io
import os
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnistlib.errors import IdxError
from mnistlib.files import publish, reserve
from mnistlib.idx.format import format_header

_BLOCK_ELEMENTS = 1 << 18  # elements converted at a time, if byte order or strides need conversion


class WritableStream(Protocol):
    """Binary stream with a ``write`` method."""

    def write(self, data: Any, /) -> object:
        """Write bytes."""
        ...


IdxTarget = str | os.PathLike[str] | WritableStream


def write_idx(target: IdxTarget, array: ArrayLike) -> None:
    """Write one array as IDX.

    Parameters
    ----------
    target : str, PathLike or binary stream
        Path or stream to write to. A file is written atomically. If the path ends in ``.gz``, the file is compressed,
        reproducibly: the same array gives the same bytes. Data to a stream is not compressed.
    array : array_like
        uint8, int8, int16, int32, float32 or float64, of any byte order and strides, with 0 to 64 dimensions, which
        may be of size 0.

    Raises
    ------
    IdxError
        If IDX has no type for the array (int64, bool, float16 …), since types are not converted silently; if elements
        are masked; or if nested lists differ in length.
    OSError
        If the file cannot be written; an existing file is not changed.

    Examples
    --------
    >>> import io, mnistlib
    >>> stream = io.BytesIO()
    >>> mnistlib.write_idx(stream, np.array([3, 1, 4], dtype=np.uint8))
    >>> stream.getvalue().hex(" ", 4)
    '000008 01000000 03030104'
    """
    values = _as_array(array)
    header = format_header(values)
    if not isinstance(target, str | os.PathLike):
        _write(target, header, values)
        return
    with publish(target) as file:
        if os.fsdecode(target).endswith(".gz"):
            # No name and no time in the gzip header, so that the same array gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                _write(cast(BinaryIO, compressed), header, values)
        else:
            reserve(file, len(header) + values.nbytes)
            _write(file, header, values)


def _as_array(array: ArrayLike) -> NDArray[Any]:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise IdxError("IDX does not support masked elements: fill them first, with array.filled(value)")
    try:
        return np.asarray(array)
    except ValueError as error:  # lists of different lengths
        raise IdxError(f"cannot convert the value to an array: {error}") from error


def _write(stream: WritableStream, header: bytes, values: NDArray[Any]) -> None:
    _write_all(stream, memoryview(header))
    stored = values.dtype.newbyteorder(">")
    if values.flags.c_contiguous and values.dtype == stored:
        # View as bytes, since memoryview does not support every dtype.
        _write_all(stream, values.reshape(-1).view(np.uint8).data)
        return
    # nditer converts byte order and strides block by block, without a second copy of the array.
    blocks = np.nditer(
        values,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_dtypes=[stored],
        order="C",
        casting="equiv",
        buffersize=_BLOCK_ELEMENTS,
    )
    for block in blocks:
        _write_all(stream, np.ascontiguousarray(block).view(np.uint8).data)


def _write_all(stream: WritableStream, data: memoryview) -> None:
    """Write all of `data`, also to a raw stream, whose ``write`` may be partial."""
    while data.nbytes:
        written = stream.write(data)
        if written is None and isinstance(stream, io.RawIOBase):
            raise BlockingIOError(
                "the stream is not ready for data: non-blocking streams are not supported, use blocking mode"
            )
        data = data[written if isinstance(written, int) else data.nbytes :]
