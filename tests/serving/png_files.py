"""PNG files, written without the library that reads them (https://www.w3.org/TR/png-3/)."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

#: Channels -> colour type of PNG.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return grey pixels, shape (rows, columns), or colours, shape (rows, columns, 2 to 4), as a PNG file."""
    rows, columns = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    lines = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(rows, -1)
    content = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    numbers = pixels.shape[2] if pixels.ndim == 3 else 1
    return _file(columns, rows, depth, _COLOUR_TYPES[numbers], content)


def empty_png(columns: int, rows: int, depth: int = 1) -> bytes:
    """Return a picture of black pixels, which is a small file for any number of pixels."""
    line = b"\0" * (1 + (columns * depth + 7) // 8)
    packing = zlib.compressobj(9)
    content = b"".join(packing.compress(line) for _ in range(rows)) + packing.flush()
    return _file(columns, rows, depth, 0, content)


def _file(columns: int, rows: int, depth: int, colour_type: int, content: bytes) -> bytes:
    head = struct.pack(">2I5B", columns, rows, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
