"""Reading of IDX: the array, a memory map, or only the header."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.errors import IdxError
from mnistlib.idx.format import IdxHeader, parse_header
from mnistlib.idx.sources import CHUNK, IdxSource, OpenSource, open_source

_LARGE = 16 << 20  # minimum size in bytes of an uncompressed file that is read by several threads
_SHARE = 2 << 20  # bytes that a thread reads at a time; small, so that all threads finish at about the same time
_MAX_THREADS = 4


def read_idx(source: IdxSource, *, mmap: bool = False) -> NDArray[Any]:
    """Read one IDX array.

    Parameters
    ----------
    source : str, PathLike, bytes-like or binary stream
        Source of the bytes. Gzip is recognised by its first bytes, independent of the name. A stream is read from its
        current position to its end; it may return short reads and need not be seekable.
    mmap : bool, default False
        Map an uncompressed file into memory instead of reading it.

    Returns
    -------
    ndarray
        Array of uint8, int8, int16, int32, float32 or float64, with 0 to 64 dimensions, C-contiguous. By default it is
        writeable and in native byte order. A memory map is read-only and keeps the big-endian byte order of the file,
        since a conversion would read the whole file; to convert it, use
        ``array.astype(array.dtype.newbyteorder("="))``.

    Raises
    ------
    IdxError
        If the bytes are not exactly one valid array: truncated header or data, trailing bytes, unknown type, damaged
        gzip. A header without its data does not cause a large allocation.
    FileNotFoundError, OSError
        If a path cannot be opened.

    Notes
    -----
    The format is described on the MNIST page of Y. LeCun, C. Cortes and C. J. C. Burges. Uncompressed data is read
    directly into the result, without another copy. A gzip stream may have several members and trailing zeros, like
    those accepted by gzip(1).

    Examples
    --------
    >>> import mnistlib
    >>> mnistlib.read_idx(bytes.fromhex("00000b02 00000001 00000003 0001 ffff 0100"))
    array([[  1,  -1, 256]], dtype=int16)
    """
    if mmap:
        return _map_file(source)
    with open_source(source) as opened:
        header = parse_header(opened.stream.read, opened.name)
        _check_length(opened, header)
        data = _read_data(opened, header)
        if opened.stream.read(1):
            raise IdxError(f"{opened.name}: expected {_described(header)}, found trailing bytes")
        return _as_array(data, header, opened.name)


def read_idx_header(source: IdxSource) -> IdxHeader:
    """Read only the header of an IDX file.

    Parameters
    ----------
    source : str, PathLike, bytes-like or binary stream
        As for :func:`read_idx`. A seekable stream keeps its position; other streams are left after the header.

    Returns
    -------
    IdxHeader
        The dtype, shape and data size in bytes. The presence of the data is not checked.

    Raises
    ------
    IdxError
        If the header is invalid.
    FileNotFoundError, OSError
        If a path cannot be opened.

    Examples
    --------
    >>> import mnistlib
    >>> mnistlib.read_idx_header(bytes.fromhex("00000803 0000ea60 0000001c 0000001c"))
    IdxHeader(dtype=dtype('uint8'), shape=(60000, 28, 28), nbytes=47040000)
    """
    seekable = getattr(source, "seekable", None)
    position = source.tell() if callable(seekable) and seekable() else None  # type: ignore[union-attr] # a stream
    try:
        with open_source(source) as opened:
            return parse_header(opened.stream.read, opened.name)
    finally:
        if position is not None:
            source.seek(position)  # type: ignore[union-attr] # a stream


def load_data(path: str | os.PathLike[str], label: bool = False) -> NDArray[Any]:
    """Read images as rows, or labels as a column, like ``utils.load_data`` of the well-known tutorial.

    Parameters
    ----------
    path : str or PathLike
        An IDX file, plain or gzip.
    label : bool, default False
        Whether the file holds labels.

    Returns
    -------
    ndarray
        uint8 of shape (n, rows * columns) for images, for MNIST (n, 784); of shape (n, 1) for labels.

    Raises
    ------
    IdxError
        If the file is damaged, or `label` does not match its content.
    """
    array = read_idx(path)
    wanted = 1 if label else 3
    if array.ndim != wanted:
        kind, other = ("labels", "images, label=False") if label else ("images", "labels, label=True")
        raise IdxError(
            f"{os.fspath(path)}: expected {wanted} dimension{'s' * (wanted > 1)} for {kind}, found shape "
            f"{array.shape}. For {other}"
        )
    return array.reshape(-1, 1) if label else array.reshape(len(array), array.shape[1] * array.shape[2])


def _map_file(source: IdxSource) -> NDArray[Any]:
    if not isinstance(source, str | os.PathLike):
        raise IdxError("mmap=True needs the path of a file: read bytes and streams with mmap=False")
    with open_source(source) as opened:
        if opened.compressed:
            raise IdxError(
                f"{opened.name}: cannot map compressed data: decompress the file first (gunzip), "
                "or read it with mmap=False"
            )
        header = parse_header(opened.stream.read, opened.name)
        if opened.length is None:
            raise IdxError(f"{opened.name}: cannot map a file that is not regular: read it with mmap=False")
        _check_length(opened, header)
    if not header.nbytes:  # an empty range cannot be mapped
        empty = _as_array(np.empty(0, np.uint8), header, opened.name)
        empty.flags.writeable = False
        return empty
    return np.memmap(source, mode="r", dtype=header.stored_dtype, shape=header.shape, offset=header.header_nbytes)


def _check_length(opened: OpenSource, header: IdxHeader) -> None:
    """Refuse a source whose known length is wrong, before memory is allocated."""
    if opened.length is None:
        return
    found = opened.length - header.header_nbytes
    if found < header.nbytes:
        raise _truncated(opened.name, header, found)
    if found > header.nbytes:
        raise IdxError(f"{opened.name}: expected {_described(header)}, found {found - header.nbytes:,} trailing bytes")


def _read_data(opened: OpenSource, header: IdxHeader) -> NDArray[np.uint8]:
    """Read the data directly into an array; if the data size is not credible, the array grows with the bytes read."""
    credible = opened.confirms_size(header.header_nbytes + header.nbytes)
    data = np.empty(header.nbytes if credible else min(header.nbytes, CHUNK), np.uint8)
    filled = 0
    if opened.descriptor is not None and len(data) >= _LARGE and hasattr(os, "preadv"):
        filled = _read_in_shares(opened.descriptor, data, header.header_nbytes)
        opened.stream.seek(header.header_nbytes + filled)
    while filled < header.nbytes:
        if filled == len(data):
            # refcheck is not needed: no view of the array exists after an iteration of this loop.
            data.resize(min(header.nbytes, filled + max(filled // 2, CHUNK)), refcheck=False)
        got = opened.stream.readinto(data[filled : filled + CHUNK].data)
        if not got:
            raise _truncated(opened.name, header, filled)
        filled += got
    return data


def _read_in_shares(descriptor: int, data: NDArray[np.uint8], start: int) -> int:
    """Fill `data` from a file, from byte `start` on, by several threads, since one core does not saturate the memory.

    Returns the number of bytes before the first missing byte; without a missing byte, the length of `data`.
    """

    def read(place: int, end: int) -> int:
        while place < end and (got := os.preadv(descriptor, [data[place:end].data], start + place)):
            place += got
        return place

    places = range(0, len(data), _SHARE)
    ends = [*places[1:], len(data)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as threads:
        reached = list(threads.map(read, places, ends))
    return next((place for place, end in zip(reached, ends, strict=True) if place < end), len(data))


def _as_array(data: NDArray[np.uint8], header: IdxHeader, name: str) -> NDArray[Any]:
    elements = data.view(header.stored_dtype)
    if not header.stored_dtype.isnative:
        elements = elements.byteswap(inplace=True).view(header.dtype)
    try:
        return elements.reshape(header.shape)
    except ValueError as error:  # a dimension of size zero, and others whose product overflows in NumPy
        raise IdxError(f"{name}: NumPy does not support an array of shape {header.shape}") from error


def _described(header: IdxHeader) -> str:
    return f"{header.nbytes:,} bytes of data for {header.dtype.name} of shape {header.shape}"


def _truncated(name: str, header: IdxHeader, found: int) -> IdxError:
    return IdxError(f"{name}: truncated data: expected {_described(header)}, found {found:,}")
