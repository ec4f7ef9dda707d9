import gzip
import math
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from numpy.typing import NDArray

import mnistlib.testing
from mnistlib.idx import TYPE_CODES
from mnistlib.testing import (
    DAMAGES,
    Compression,
    DamagedFile,
    HeaderBytes,
    IdxFile,
    damaged_idx_files,
    encode_idx,
    idx_arrays,
    idx_dtypes,
    idx_files,
    idx_headers,
    idx_shapes,
)

T = TypeVar("T")


def draw(strategy: st.SearchStrategy[T], wanted: Callable[[T], bool]) -> T:
    """Draw the first example of a kind."""
    return find(strategy, wanted, settings=settings(max_examples=5000, phases=[Phase.generate]))


def load_but_ignore_trailing_bytes(content: bytes) -> NDArray[Any]:
    """A typical loader, whose only error is to ignore the bytes after the data."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    zeros, code, dimensions = struct.unpack_from(">HBB", content)
    if zeros:
        raise ValueError("not IDX")
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    dtype = TYPE_CODES[code]
    array = np.frombuffer(content, dtype, math.prod(shape), 4 + 4 * dimensions).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


class TestOnALoaderThatIgnoresTrailingBytes:
    """Tests that a user would write for a loader."""

    def test_valid_files_do_not_expose_the_loader(self) -> None:
        @given(idx_files(arrays=idx_arrays(shapes=st.tuples(st.integers(1, 3), st.integers(1, 3)))))
        def every_file_is_read(file: IdxFile) -> None:
            np.testing.assert_array_equal(load_but_ignore_trailing_bytes(file.content), file.array)

        every_file_is_read()

    def test_damaged_files_expose_the_loader(self) -> None:
        accepted = find(damaged_idx_files(compression="plain"), lambda file: accepts(file.content))
        assert accepted.damage == "trailing bytes"

    def test_the_loader_refuses_all_other_damages(self) -> None:
        others = [damage for damage in DAMAGES if damage not in {"trailing bytes", "too many dimensions"}]

        @given(damaged_idx_files(damages=others))
        def every_other_damage_is_refused(file: DamagedFile) -> None:
            assert not accepts(file.content)

        every_other_damage_is_refused()


def accepts(content: bytes) -> bool:
    try:
        load_but_ignore_trailing_bytes(content)
    except Exception:  # of any kind: the quality of its errors is not tested here
        return False
    return True


def test_encode_takes_scalars_which_have_no_byte_order() -> None:
    assert (
        encode_idx(np.full((), 256, np.int16)[()]).hex(" ", 4) == "0000 0b000100"
    )  # numpy returns scalars from indexing


class TestArrays:
    @given(idx_arrays(contiguous=False))
    def test_are_arrays_of_the_six_types(self, array: NDArray[Any]) -> None:
        assert type(array) is np.ndarray
        assert array.dtype.newbyteorder(">") in TYPE_CODES.values()

    @given(idx_arrays())
    def test_are_contiguous_by_default(self, array: NDArray[Any]) -> None:
        assert array.flags.carray

    @given(idx_arrays(dtypes=idx_dtypes(native=True), shapes=idx_shapes(min_dims=2, max_dims=3, max_side=4)))
    def test_follow_their_options(self, array: NDArray[Any]) -> None:
        assert array.dtype.isnative
        assert array.ndim in {2, 3}
        assert max(array.shape) <= 4

    @pytest.mark.parametrize(
        "wanted",
        [
            lambda array: array.ndim == 0,
            lambda array: array.ndim == 64 and array.size > 1,
            lambda array: array.size == 0,
            lambda array: not array.dtype.isnative,
            lambda array: array.dtype.kind == "f" and np.isnan(array).any(),
            lambda array: not array.flags.aligned,
            lambda array: not array.flags.writeable,
            lambda array: array.flags.f_contiguous and not array.flags.c_contiguous,
            lambda array: min(array.strides, default=0) < 0,
            lambda array: array.size == 64,
        ],
    )
    def test_of_every_kind_are_drawn(self, wanted: Callable[[NDArray[Any]], bool]) -> None:
        assert wanted(draw(idx_arrays(contiguous=False), wanted))

    @given(idx_shapes(max_elements=10))
    def test_have_at_most_max_elements(self, shape: tuple[int, ...]) -> None:
        assert math.prod(shape) <= 10
        assert len(shape) <= 64


class TestFiles:
    @pytest.mark.parametrize("compression", ["plain", "gzip"])
    def test_are_compressed_by_option(self, compression: Compression) -> None:
        @given(idx_files(compression=compression))
        def check(file: IdxFile) -> None:
            assert file.compressed == (compression == "gzip")
            assert file.content.startswith(b"\x1f\x8b") == file.compressed

        check()

    @given(idx_files(max_members=3))
    def test_hold_their_array_in_the_machines_byte_order(self, file: IdxFile) -> None:
        plain = gzip.decompress(file.content) if file.compressed else file.content
        assert plain == encode_idx(file.array)
        assert file.array.dtype.isnative

    def test_may_have_several_members(self) -> None:
        draw(idx_files(compression="gzip", max_members=3), lambda file: file.content.count(b"\x1f\x8b\x08") == 3)


class TestHeaders:
    @given(idx_headers(max_dims=5, max_side=1000))
    def test_follow_their_options(self, header: HeaderBytes) -> None:
        assert len(header.shape) <= 5
        assert max(header.shape, default=0) <= 1000

    @given(idx_headers())
    def test_announce_their_dtype_and_shape(self, header: HeaderBytes) -> None:
        assert header.content[:2] == b"\0\0"
        assert TYPE_CODES[header.content[2]].newbyteorder("=") == header.dtype
        assert header.content[3] == len(header.shape)
        assert struct.unpack(f">{len(header.shape)}I", header.content[4:]) == header.shape
        assert header.nbytes == math.prod(header.shape) * header.dtype.itemsize

    @pytest.mark.parametrize("nbytes", [0, 2**64])
    def test_may_announce_nothing_or_far_too_much(self, nbytes: int) -> None:
        draw(idx_headers(), lambda header: header.nbytes >= nbytes and (nbytes > 0 or not header.nbytes))


class TestDamagedFiles:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_have_the_requested_damage(self, damage: str) -> None:
        file = draw(damaged_idx_files(damages=[damage]), lambda file: True)
        assert file.damage == damage
        assert file.compressed or file.content != encode_idx(file.array)

    @given(damaged_idx_files(compression="plain"))
    def test_are_plain_by_option(self, file: DamagedFile) -> None:
        assert not file.compressed
        assert "gzip" not in file.damage

    def test_are_not_drawn_if_impossible(self) -> None:
        with pytest.raises(Unsatisfiable):
            draw(damaged_idx_files(compression="plain", damages=["truncated gzip"]), lambda file: True)


def test_the_package_exports_what_it_lists() -> None:
    assert all(hasattr(mnistlib.testing, name) for name in mnistlib.testing.__all__)


def test_without_hypothesis_the_error_names_the_extra() -> None:
    code = """
import sys
import mnistlib.errors
sys.modules["hypothesis"] = None
try:
    import mnistlib.testing
except mnistlib.errors.MissingExtraError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == 'mnistlib.testing needs the "testing" extra: pip install "mnistlib-ml[testing]"\n'
