import gzip
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from mnistlib.errors import IdxError
from mnistlib.idx import read_idx, write_idx
from mnistlib.testing import encode_idx

NAMES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
VALUES = np.arange(-12, 12).reshape(2, 3, 4)


def written(array: Any) -> bytes:
    stream = io.BytesIO()
    write_idx(stream, array)
    return stream.getvalue()


class TestBytes:
    def test_are_header_and_big_endian_elements(self) -> None:
        assert written(np.array([1, -2], np.int16)).hex(" ", 4) == "00000b01 00000002 0001fffe"

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("order", ["<", ">", "="])
    def test_do_not_depend_on_byte_order(self, name: str, order: Literal["<", ">", "="]) -> None:
        array = VALUES.astype(np.dtype(name).newbyteorder(order))
        assert written(array) == encode_idx(array)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "layout",
        [
            lambda array: array.T,
            np.asfortranarray,
            lambda array: array[::-1, :, ::-1],
            lambda array: array[:, ::2, 1:3],
            lambda array: np.broadcast_to(array[0], (5, 3, 4)),
            lambda array: array.ravel()[::2],
            lambda array: array.ravel()[::-1],
            lambda array: array[:, :0],
            lambda array: array[0, 0, 0],
            lambda array: array.reshape((1,) * 61 + array.shape),
        ],
    )
    def test_do_not_depend_on_strides(self, name: str, layout: Callable[[Any], Any]) -> None:
        array = layout(VALUES.astype(name))
        assert written(array) == encode_idx(np.array(array))

    def test_of_an_array_longer_than_a_block(self) -> None:
        array = np.arange(700_000, dtype="<i4").reshape(700, 1000).T
        assert written(array) == encode_idx(array)

    def test_of_an_unaligned_array(self) -> None:
        array = np.frombuffer(bytes(range(17)), np.uint8)[1:].view("<i4")
        assert written(array) == encode_idx(array)

    def test_of_no_dimensions(self) -> None:
        assert written(np.float32(1)).hex(" ", 4) == "00000d00 3f800000"

    def test_of_an_empty_array(self) -> None:
        assert written(np.zeros((0, 28, 28), np.uint8)).hex(" ", 4) == "00000803 00000000 0000001c 0000001c"

    @pytest.mark.parametrize("name", NAMES)
    def test_are_those_that_were_read(self, name: str) -> None:
        content = encode_idx(VALUES.astype(name))
        assert written(read_idx(content)) == content

    def test_of_a_mapped_file_are_the_file(self, tmp_path: Path) -> None:
        content = encode_idx(VALUES.astype(np.float64))
        (tmp_path / "a").write_bytes(content)
        assert written(read_idx(tmp_path / "a", mmap=True)) == content


class TestRefusal:
    @pytest.mark.parametrize(
        "array", [np.zeros(2, np.int64), [1, 2], np.zeros(2, bool), np.zeros(2, np.float16), "text", None]
    )
    def test_of_other_types_lists_the_six(self, array: Any) -> None:
        with pytest.raises(IdxError, match="uint8, int8, int16, int32, float32, float64"):
            written(array)

    def test_of_masked_elements_advises_to_fill_them(self) -> None:
        with pytest.raises(IdxError, match=r"array\.filled"):
            written(np.ma.masked_array(np.arange(3, dtype=np.uint8), mask=[False, True, False]))

    def test_of_lists_of_different_lengths(self) -> None:
        with pytest.raises(IdxError, match="cannot convert the value to an array"):
            written([[1, 2], [3]])

    def test_comes_before_the_file_is_touched(self, tmp_path: Path) -> None:
        with pytest.raises(IdxError):
            write_idx(tmp_path / "some.idx", np.zeros(2, np.int64))
        assert not list(tmp_path.iterdir())


class TestGzip:
    def test_is_chosen_by_the_name(self, tmp_path: Path) -> None:
        array = VALUES.astype(np.int16)
        write_idx(tmp_path / "a.idx.gz", array)
        write_idx(str(tmp_path / "b.idx"), array)
        assert gzip.decompress((tmp_path / "a.idx.gz").read_bytes()) == encode_idx(array)
        assert (tmp_path / "b.idx").read_bytes() == encode_idx(array)

    def test_gives_the_same_bytes_for_the_same_array_with_any_name_time_and_layout(self, tmp_path: Path) -> None:
        array = np.random.default_rng(1).integers(0, 5, (200, 700), np.int32)
        write_idx(tmp_path / "a.gz", array)
        write_idx(tmp_path / "b.idx.gz", np.asfortranarray(array.astype(">i4")))
        content = (tmp_path / "a.gz").read_bytes()
        assert content == (tmp_path / "b.idx.gz").read_bytes()
        assert content[3:8] == bytes(5)  # no name, no time
        np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array)


class TestStream:
    def test_is_left_open_after_the_bytes(self) -> None:
        stream = io.BytesIO(b"before")
        stream.seek(6)
        write_idx(stream, np.array([7], np.uint8))
        assert stream.getvalue() == b"before" + encode_idx(np.array([7], np.uint8))

    def test_may_take_less_than_it_is_given(self) -> None:
        class Narrow(io.RawIOBase):
            def __init__(self) -> None:
                self.content = b""

            def writable(self) -> bool:
                return True

            def write(self, data: Any, /) -> int:
                self.content += bytes(data[:5])
                return min(5, len(data))

        stream = Narrow()
        write_idx(stream, VALUES.astype(np.int16))
        assert stream.content == encode_idx(VALUES.astype(np.int16))

    def test_may_return_nothing(self) -> None:
        class Plain:
            def __init__(self) -> None:
                self.content = b""

            def write(self, data: Any, /) -> None:
                self.content += bytes(data)

        stream = Plain()
        write_idx(stream, VALUES.astype(np.int16))
        assert stream.content == encode_idx(VALUES.astype(np.int16))

    def test_that_takes_no_data_is_an_error_and_no_silent_loss(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with (
            os.fdopen(reading, "rb"),
            os.fdopen(writing, "wb", buffering=0) as pipe,
            pytest.raises(BlockingIOError),
        ):
            write_idx(pipe, np.zeros(10_000_000, np.uint8))

    def test_of_text_is_refused(self) -> None:
        with pytest.raises(TypeError):
            write_idx(io.StringIO(), np.zeros(1, np.uint8))


class TestFile:
    """Written whole or not at all; more of it in tests/test_files.py."""

    @pytest.mark.parametrize("name", ["some.idx", "some.idx.gz"])
    def test_survives_a_write_that_runs_into_a_size_limit(
        self, run_python: Callable[..., Any], tmp_path: Path, name: str
    ) -> None:
        path = tmp_path / name
        write_idx(path, np.array([7], np.uint8))
        code = """
import resource, sys, numpy as np, mnistlib.idx
array = np.random.default_rng(1).integers(0, 256, 2_000_000, np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    mnistlib.idx.write_idx(sys.argv[1], array)
except OSError as error:
    print("refused:", error)
"""
        result = run_python(code, path)
        assert result.stdout.startswith("refused: "), result.stderr
        assert read_idx(path).tolist() == [7]
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_on_a_full_device_is_an_error(self) -> None:
        with pytest.raises(OSError, match="No space left"):
            write_idx("/dev/full", np.zeros(100_000, np.uint8))

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
    @pytest.mark.parametrize("name", ["some.idx", "some.idx.gz"])
    def test_is_the_old_one_or_the_new_one_after_a_kill_at_any_instant(self, tmp_path: Path, name: str) -> None:
        code = """
import itertools, sys, numpy as np, mnistlib.idx
for number in itertools.count():
    mnistlib.idx.write_idx(sys.argv[1], np.full(3_000_000, number % 256, np.uint8))
    print(number, flush=True)
"""
        path = tmp_path / name
        for writes in range(1, 7):
            with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                for _ in range(writes):
                    process.stdout.readline()
                process.kill()
            array = read_idx(path)
            assert array.shape == (3_000_000,)
            assert array[0] >= writes - 1
            assert (array == array[0]).all()

    def test_is_always_whole_while_two_processes_write_it(self, tmp_path: Path) -> None:
        code = """
import sys, numpy as np, mnistlib.idx
for _ in range(50):
    mnistlib.idx.write_idx(sys.argv[1], np.full(500_000, int(sys.argv[2]), np.uint8))
"""
        path = tmp_path / "some.idx"
        write_idx(path, np.zeros(500_000, np.uint8))
        writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in (1, 2)]
        while any(writer.poll() is None for writer in writers):
            array = read_idx(path)
            assert array.shape == (500_000,)
            assert (array == array[0]).all()
        assert [writer.wait() for writer in writers] == [0, 0]
        assert list(tmp_path.iterdir()) == [path]
