"""Write an array as IDX, whole or not at all."""

import gzip
import io
import os
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnistlib.errors import IdxError
from mnistlib.files import publish, reserve
from mnistlib.idx.format import format_header

_BLOCK_ELEMENTS = 1 << 18  # converted at a time where byte order or strides need converting


class WritableStream(Protocol):
    """A binary stream: all that is asked of it is ``write``."""

    def write(self, data: Any, /) -> object:
        """Write bytes."""
        ...


IdxTarget = str | os.PathLike[str] | WritableStream


def write_idx(target: IdxTarget, array: ArrayLike) -> None:
    """Write one array as IDX.

    Parameters
    ----------
    target : str, PathLike or binary stream
        Where to write. A path gets the file whole or stays as it was; one that ends in ``.gz`` is compressed, and
        the same array always gives the same bytes. A stream is written to as it is, uncompressed.
    array : array_like
        uint8, int8, int16, int32, float32 or float64, of any byte order, any strides and up to 64 dimensions,
        none and empty sides included.

    Raises
    ------
    IdxError
        If IDX has no type for the array (int64, bool, float16 …): nothing is converted silently. Or if elements are
        masked, or the lists are of different lengths.
    OSError
        If the file can't be written; the old one, if any, is untouched.

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
            # No name and no time in the gzip header: the same array gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                _write(cast(BinaryIO, compressed), header, values)
        else:
            reserve(file, len(header) + values.nbytes)
            _write(file, header, values)


def _as_array(array: ArrayLike) -> NDArray[Any]:
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise IdxError("IDX has no mask: fill the masked elements first, with array.filled(value)")
    try:
        return np.asarray(array)
    except ValueError as error:  # lists of different lengths
        raise IdxError(f"IDX holds arrays only, and this is none: {error}") from error


def _write(stream: WritableStream, header: bytes, values: NDArray[Any]) -> None:
    _write_all(stream, memoryview(header))
    stored = values.dtype.newbyteorder(">")
    if values.flags.c_contiguous and values.dtype == stored:
        # A view of bytes, since a memoryview has no format for every dtype.
        _write_all(stream, values.reshape(-1).view(np.uint8).data)
        return
    # nditer converts byte order and strides block by block, so that no second copy of the array is ever made.
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
    """Write all of `data`, also to a raw stream, which may take less than it is given."""
    while data.nbytes:
        taken = stream.write(data)
        if taken is None and isinstance(stream, io.RawIOBase):
            raise BlockingIOError(
                "the stream takes no data now: it is in non-blocking mode, which can't be written whole"
            )
        data = data[taken if isinstance(taken, int) else data.nbytes :]
