import gzip
import hashlib
import io
import itertools
import math
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnistlib.errors import IdxError
from mnistlib.idx import load_data, read_idx, read_idx_header
from mnistlib.testing import encode_idx

NAMES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
MIB = 1 << 20
ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


def header(shape: tuple[int, ...], code: int = 0x08) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def extremes(name: str) -> NDArray[Any]:
    dtype = np.dtype(name)
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        return np.array([0, -0.0, 1.5, limits.min, limits.max, limits.tiny, np.inf, -np.inf, np.nan], dtype)
    integers = np.iinfo(dtype)
    return np.array([0, 1, integers.min, integers.max], dtype)


@pytest.fixture(params=["path", "gzip", "bytes", "stream", "gzip stream"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], NDArray[Any]]:
    """Read plain content through each of the ways there are inside `read_idx`."""

    def read(content: bytes) -> NDArray[Any]:
        if "gzip" in request.param:
            content = gzip.compress(content)
        if request.param in {"path", "gzip"}:
            path = tmp_path / "some.idx"
            path.write_bytes(content)
            return read_idx(path)
        return read_idx(io.BytesIO(content) if "stream" in request.param else content)

    return read


class TestResult:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_type_keeps_every_value(self, read: Callable[[bytes], NDArray[Any]], name: str) -> None:
        expected = extremes(name)
        array = read(encode_idx(expected))
        assert array.dtype == expected.dtype
        assert array.tobytes() == expected.tobytes()

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
    def test_is_native_contiguous_aligned_and_writeable(
        self, read: Callable[[bytes], NDArray[Any]], name: str, shape: tuple[int, ...]
    ) -> None:
        array = read(encode_idx(np.zeros(shape, name)))
        assert type(array) is np.ndarray
        assert array.shape == shape
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
        array[...] = 1
        assert (array == 1).all()

    @pytest.mark.parametrize("dimensions", list(range(65)))
    def test_may_have_up_to_64_dimensions(self, dimensions: int) -> None:
        shape = ((2,) * dimensions)[:5] + (1,) * (dimensions - 5)
        expected = np.arange(math.prod(shape), dtype=np.int16).reshape(shape)
        np.testing.assert_array_equal(read_idx(encode_idx(expected)), expected)

    @pytest.mark.parametrize("shape", list(itertools.product([0, 1, 3], repeat=3)))
    def test_may_have_sides_of_zero(self, read: Callable[[bytes], NDArray[Any]], shape: tuple[int, ...]) -> None:
        assert read(encode_idx(np.zeros(shape, np.float64))).shape == shape

    def test_last_index_is_fastest(self) -> None:
        assert read_idx(header((2, 3)) + bytes(range(6))).tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_is_the_callers_own(self) -> None:
        content = encode_idx(np.zeros(3, np.uint8))
        read_idx(content)[:] = 7
        assert read_idx(content).tolist() == [0, 0, 0]

    @pytest.mark.parametrize("length", [2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 + 5])
    def test_is_whole_around_the_size_of_a_read(self, read: Callable[[bytes], NDArray[Any]], length: int) -> None:
        expected = np.random.default_rng(3).integers(0, 256, length, np.uint8)
        np.testing.assert_array_equal(read(encode_idx(expected)), expected)

    def test_of_gzip_that_expands_a_thousandfold_is_whole(self) -> None:
        expected = np.zeros(5_000_000, np.int32)
        np.testing.assert_array_equal(read_idx(gzip.compress(encode_idx(expected))), expected)

    def test_of_a_file_large_enough_for_several_threads_is_whole(self, tmp_path: Path) -> None:
        expected = np.random.default_rng(4).integers(-(2**31), 2**31, (5, MIB + 3), np.int32)
        (tmp_path / "some.idx").write_bytes(encode_idx(expected))
        np.testing.assert_array_equal(read_idx(tmp_path / "some.idx"), expected)

    def test_of_a_large_file_that_is_read_a_little_at_a_time_is_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = np.random.default_rng(4).integers(0, 256, 17 * MIB + 1, np.uint8)
        (tmp_path / "some.idx").write_bytes(encode_idx(expected))
        whole = os.preadv
        monkeypatch.setattr(os, "preadv", lambda file, parts, start: whole(file, [parts[0][:700_001]], start))
        np.testing.assert_array_equal(read_idx(tmp_path / "some.idx"), expected)


class TestMalformed:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_truncation_is_refused(self, read: Callable[[bytes], NDArray[Any]], name: str) -> None:
        content = encode_idx(np.arange(6).reshape(2, 3).astype(name))
        for length in range(len(content)):
            with pytest.raises(IdxError, match=r"truncated|empty"):
                read(content[:length])

    @pytest.mark.parametrize("stream", [False, True])
    def test_every_truncation_of_gzip_is_refused(self, gzip_reader: str, stream: bool) -> None:
        content = gzip.compress(encode_idx(np.arange(60, dtype=np.int16)))
        for length in range(len(content)):
            with pytest.raises(IdxError):
                read_idx(io.BytesIO(content[:length]) if stream else content[:length])

    def test_every_single_bit_error_in_gzip_is_refused_or_harmless(self, gzip_reader: str) -> None:
        expected = np.arange(20, dtype=np.int16)
        content = gzip.compress(encode_idx(expected), mtime=0)
        for bit in range(8 * len(content)):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            try:
                array = read_idx(damaged)
            except IdxError:
                continue
            np.testing.assert_array_equal(array, expected)

    @pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
    @pytest.mark.parametrize("more", [1, 2, 3 * 2**20])
    def test_trailing_bytes_are_refused(
        self, read: Callable[[bytes], NDArray[Any]], shape: tuple[int, ...], more: int
    ) -> None:
        with pytest.raises(IdxError, match="trailing bytes"):
            read(encode_idx(np.zeros(shape, np.int16)) + bytes(more))

    def test_a_labels_file_read_as_images_of_the_tutorial_has_the_shape_in_its_header(self) -> None:
        assert read_idx(header((3,)) + b"\1\2\3").shape == (3,)

    @pytest.mark.parametrize(
        "shape",
        [
            (2**32 - 1,),
            (2**32 - 1,) * 4,  # the product passes 2**64
            (2**16,) * 4,  # the product is 0 in 64 bits
            (2**31, 2**31, 4),  # also
            (2**32 - 1,) * 64,
            (3, 2**32 - 1),
        ],
    )
    def test_sizes_far_past_the_data_are_refused(
        self, read: Callable[[bytes], NDArray[Any]], shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(IdxError, match="truncated data"):
            read(header(shape) + b"data")

    @pytest.mark.parametrize("code", [0x08, 0x0E])
    def test_sides_that_numpy_cannot_count_beside_a_side_of_zero_are_refused(
        self, read: Callable[[bytes], NDArray[Any]], code: int
    ) -> None:
        with pytest.raises(IdxError, match="NumPy does not support"):
            read(header((0, 2**32 - 1, 2**32 - 1, 2**32 - 1), code))

    def test_large_sides_beside_a_side_of_zero_are_read(self, read: Callable[[bytes], NDArray[Any]]) -> None:
        assert read(header((0, 2**31, 2**31))).shape == (0, 2**31, 2**31)

    def test_the_message_has_the_expected_and_found_sizes(self, tmp_path: Path) -> None:
        path = tmp_path / "short.idx"
        path.write_bytes(encode_idx(np.zeros((1000, 3), np.int16))[:-1])
        with pytest.raises(IdxError) as caught:
            read_idx(path)
        assert str(caught.value) == (
            f"{path}: truncated data: expected 6,000 bytes of data for int16 of shape (1000, 3), found 5,999"
        )

    def test_the_message_has_the_number_of_trailing_bytes_if_known(self) -> None:
        with pytest.raises(IdxError, match=r"of shape \(2,\), found 3 trailing bytes"):
            read_idx(header((2,)) + bytes(5))

    @pytest.mark.parametrize("change", [-1, -5 * MIB, 1])
    def test_a_large_file_that_changes_while_it_is_read_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int
    ) -> None:
        path = tmp_path / "some.idx"
        path.write_bytes(encode_idx(np.zeros(20 * MIB, np.uint8)))
        whole = os.preadv

        def change_then_read(*arguments: Any) -> int:
            os.truncate(path, 8 + 20 * MIB + change)
            return whole(*arguments)

        monkeypatch.setattr(os, "preadv", change_then_read)
        with pytest.raises(IdxError, match=f"found {20 * MIB + change:,}" if change < 0 else "found trailing bytes"):
            read_idx(path)

    def test_it_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="empty"):
            read_idx(b"")

    @pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev/null")
    def test_the_null_device_is_empty(self) -> None:
        with pytest.raises(IdxError, match="empty"):
            read_idx("/dev/null")

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
    def test_a_device_without_end_is_not_read_to_its_end(self) -> None:
        with pytest.raises(IdxError, match="unknown type code 0x00"):
            read_idx("/dev/zero")

    @pytest.mark.skipif(ROOT, reason="root may read everything")
    def test_a_file_that_may_not_be_read_stays_a_permission_error(self, tmp_path: Path) -> None:
        path = tmp_path / "secret.idx"
        path.touch(mode=0o000)
        with pytest.raises(PermissionError):
            read_idx(path)


class TestMap:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "some.idx"

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0), (1,) * 64])
    def test_equals_the_array_read_without_a_map(self, path: Path, name: str, shape: tuple[int, ...]) -> None:
        expected = np.arange(math.prod(shape)).astype(name).reshape(shape)
        path.write_bytes(encode_idx(expected))
        mapped = read_idx(path, mmap=True)
        assert mapped.shape == shape
        np.testing.assert_array_equal(mapped, expected)

    @pytest.mark.parametrize("shape", [(), (3,), (0,)])
    def test_is_read_only(self, path: Path, shape: tuple[int, ...]) -> None:
        path.write_bytes(encode_idx(np.zeros(shape, np.uint8)))
        mapped = read_idx(path, mmap=True)
        assert not mapped.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            mapped[...] = 1

    def test_is_a_map_and_not_a_copy(self, path: Path) -> None:
        path.write_bytes(encode_idx(np.zeros(3, np.uint8)))
        mapped = read_idx(path, mmap=True)
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\7")
        assert mapped.tolist() == [0, 0, 7]

    def test_types_of_several_bytes_stay_big_endian(self, path: Path) -> None:
        path.write_bytes(encode_idx(np.arange(3, dtype=np.int32)))
        mapped = read_idx(path, mmap=True)
        assert mapped.dtype == np.dtype(">i4")
        native = mapped.astype(mapped.dtype.newbyteorder("="))
        assert native.dtype.isnative
        assert native.tolist() == [0, 1, 2]

    def test_types_of_one_byte_are_native(self, path: Path) -> None:
        path.write_bytes(encode_idx(np.arange(3, dtype=np.uint8)))
        assert read_idx(path, mmap=True).dtype.isnative

    def test_a_path_as_text_is_mapped(self, path: Path) -> None:
        path.write_bytes(encode_idx(np.arange(3, dtype=np.uint8)))
        assert read_idx(str(path), mmap=True).tolist() == [0, 1, 2]

    def test_a_compressed_file_is_refused_with_advice(self, path: Path, gzip_reader: str) -> None:
        path.write_bytes(gzip.compress(encode_idx(np.zeros(3, np.uint8))))
        with pytest.raises(IdxError, match=r"gunzip.*mmap=False"):
            read_idx(path, mmap=True)

    @pytest.mark.parametrize("source", [b"", io.BytesIO()])
    def test_bytes_and_streams_are_refused(self, source: Any) -> None:
        with pytest.raises(IdxError, match="needs the path of a file"):
            read_idx(source, mmap=True)

    def test_every_truncation_is_refused(self, path: Path) -> None:
        content = encode_idx(np.zeros((2, 3), np.int16))
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(IdxError, match=r"truncated|empty"):
                read_idx(path, mmap=True)

    def test_trailing_bytes_are_refused(self, path: Path) -> None:
        path.write_bytes(encode_idx(np.zeros(3, np.uint8)) + b"\0")
        with pytest.raises(IdxError, match="found 1 trailing bytes"):
            read_idx(path, mmap=True)

    def test_sides_that_numpy_cannot_count_are_refused(self, path: Path) -> None:
        path.write_bytes(header((0, 2**32 - 1, 2**32 - 1, 2**32 - 1)))
        with pytest.raises(IdxError, match="NumPy does not support"):
            read_idx(path, mmap=True)

    def test_a_named_pipe_is_refused_with_advice(self, path: Path) -> None:
        os.mkfifo(path)
        thread = threading.Thread(target=path.write_bytes, args=[encode_idx(np.zeros(3, np.uint8))])
        thread.start()
        with pytest.raises(IdxError, match=r"cannot map a file that is not regular.*mmap=False"):
            read_idx(path, mmap=True)
        thread.join()

    def test_a_missing_file_stays_file_not_found(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            read_idx(path, mmap=True)

    @pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files")
    def test_takes_no_time_or_memory_for_a_large_file(self, path: Path) -> None:
        path.write_bytes(header((2**16, 2**20)))
        os.truncate(path, 12 + 2**36)
        assert read_idx(path, mmap=True)[-1, -1] == 0


class TestHeader:
    @pytest.mark.parametrize("compress", [bytes, gzip.compress])
    def test_says_type_shape_and_size(self, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
        path = tmp_path / "some.idx"
        path.write_bytes(compress(encode_idx(np.zeros((2, 3), np.float32))))
        found = read_idx_header(path)
        assert (found.dtype, found.shape, found.nbytes) == (np.dtype(np.float32), (2, 3), 24)

    def test_does_not_look_at_the_data(self) -> None:
        assert read_idx_header(header((5, 7))).shape == (5, 7)

    def test_damage_is_refused(self, gzip_reader: str) -> None:
        with pytest.raises(IdxError, match="damaged gzip"):
            read_idx_header(gzip.compress(b"")[:9])


class TestLoadData:
    """The shapes of the Azure ML tutorial."""

    def test_images_are_rows(self, tmp_path: Path) -> None:
        images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
        path = tmp_path / "images.gz"
        path.write_bytes(gzip.compress(encode_idx(images)))
        np.testing.assert_array_equal(load_data(path), images.reshape(2, 12))

    def test_labels_are_a_column(self, tmp_path: Path) -> None:
        path = tmp_path / "labels.gz"
        path.write_bytes(gzip.compress(encode_idx(np.array([3, 1], np.uint8))))
        assert load_data(path, True).tolist() == [[3], [1]]

    @pytest.mark.parametrize("shape", [(0, 28, 28), (5, 0, 28)])
    def test_no_images_have_rows_too(self, tmp_path: Path, shape: tuple[int, int, int]) -> None:
        path = tmp_path / "images"
        path.write_bytes(encode_idx(np.zeros(shape, np.uint8)))
        assert load_data(path).shape == (shape[0], shape[1] * shape[2])

    def test_labels_read_as_images_are_refused_with_advice(self, tmp_path: Path) -> None:
        path = tmp_path / "labels"
        path.write_bytes(encode_idx(np.zeros(3, np.uint8)))
        with pytest.raises(IdxError, match=r"labels: expected 3 dimensions for images, found shape \(3,\).*label=True"):
            load_data(path)

    def test_images_read_as_labels_are_refused_with_advice(self, tmp_path: Path) -> None:
        path = tmp_path / "images"
        path.write_bytes(encode_idx(np.zeros((1, 2, 2), np.uint8)))
        with pytest.raises(IdxError, match=r"expected 1 dimension for labels.*label=False"):
            load_data(str(path), label=True)


@pytest.mark.mnist
class TestMnist:
    @pytest.mark.parametrize(
        ("name", "shape", "digest"),
        [
            (
                "train-images-idx3-ubyte.gz",
                (60000, 28, 28),
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                (60000,),
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            (
                "t10k-images-idx3-ubyte.gz",
                (10000, 28, 28),
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            (
                "t10k-labels-idx1-ubyte.gz",
                (10000,),
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ],
    )
    def test_the_four_files_are_read(
        self, mnist_folder: Path, gzip_reader: str, name: str, shape: tuple[int, ...], digest: str
    ) -> None:
        array = read_idx(mnist_folder / name)
        assert array.dtype == np.uint8
        assert array.shape == shape
        assert hashlib.sha256(encode_idx(array)).hexdigest() == digest  # of the canonical file, decompressed
        assert read_idx_header(mnist_folder / name).shape == shape

    def test_the_tutorials_shapes(self, mnist_folder: Path) -> None:
        assert load_data(mnist_folder / "t10k-images-idx3-ubyte.gz").shape == (10000, 784)
        assert load_data(mnist_folder / "t10k-labels-idx1-ubyte.gz", True).shape == (10000, 1)

    def test_truncations_are_refused(self, mnist_folder: Path, gzip_reader: str) -> None:
        content = (mnist_folder / "t10k-labels-idx1-ubyte.gz").read_bytes()
        for length in range(0, len(content), 37):
            with pytest.raises(IdxError):
                read_idx(content[:length])
