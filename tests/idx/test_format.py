import io

import numpy as np
import pytest

from mnistlib.errors import IdxError
from mnistlib.idx.format import TYPE_CODES, IdxHeader, format_header, parse_header
from mnistlib.testing import encode_idx

NAMES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def parse(content: bytes) -> IdxHeader:
    return parse_header(io.BytesIO(content).read, "some.idx")


def test_the_table_holds_the_six_types_of_the_format() -> None:
    assert {code: dtype.str for code, dtype in TYPE_CODES.items()} == {
        0x08: "|u1",
        0x09: "|i1",
        0x0B: ">i2",
        0x0C: ">i4",
        0x0D: ">f4",
        0x0E: ">f8",
    }


def test_a_header_is_magic_number_and_big_endian_sizes() -> None:
    assert format_header(np.zeros((2, 0x010203), np.int16)).hex(" ", 4) == "00000b02 00000002 00010203"


def test_the_header_of_mnist_is_parsed() -> None:
    header = parse(bytes.fromhex("00000803 0000ea60 0000001c 0000001c"))
    assert header == IdxHeader(np.dtype(np.uint8), (60000, 28, 28), 47_040_000)
    assert header.header_nbytes == 16


def test_sizes_are_unsigned() -> None:
    assert parse(bytes.fromhex("00000801 ffffffff")).shape == (2**32 - 1,)


def test_the_number_of_bytes_never_wraps() -> None:
    assert parse(b"\0\0\x0e\x04" + b"\xff" * 16).nbytes == (2**32 - 1) ** 4 * 8


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_are_native_and_their_stored_form_is_big_endian(name: str) -> None:
    header = parse(encode_idx(np.zeros(3, name)))
    assert header.dtype == np.dtype(name)
    assert header.dtype.isnative
    assert header.stored_dtype == np.dtype(name).newbyteorder(">")


def test_nothing_is_read_past_the_header() -> None:
    stream = io.BytesIO(encode_idx(np.zeros((2, 3), np.uint8)))
    parse_header(stream.read, "some.idx")
    assert stream.tell() == 12


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "some.idx: expected an IDX header of at least 4 bytes, found 0: the data is empty"),
        ("00", "some.idx: truncated header: expected 4 bytes of magic number, found 1"),
        ("000008", "some.idx: truncated header: expected 4 bytes of magic number, found 3"),
        ("01", "some.idx: expected an IDX file to begin with 00 00, found 01"),
        ("00010803", "some.idx: expected an IDX file to begin with 00 00, found 00 01 08 03"),
        (
            "00000803 00000001 0000",
            "some.idx: truncated header: expected 12 bytes for the sizes of 3 dimensions, found 6",
        ),
        ("00000841", "some.idx: expected at most 64 dimensions, found 65"),
        (
            "00000a00",
            "some.idx: unknown type code 0x0A in the header: expected one of 0x08 uint8, 0x09 int8, 0x0B int16, "
            "0x0C int32, 0x0D float32, 0x0E float64",
        ),
    ],
)
def test_a_damaged_header_is_refused_with_expected_and_found_values(content: str, message: str) -> None:
    with pytest.raises(IdxError) as caught:
        parse(bytes.fromhex(content))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"PK\x03\x04", "zip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x93NUMPY", "numpy.load"),
        (b"<!DOCTYPE html>", "web page"),
        (b"<HTML>", "web page"),
    ],
)
def test_another_format_is_recognised(content: bytes, hint: str) -> None:
    with pytest.raises(IdxError, match=hint):
        parse(content)


@pytest.mark.parametrize(
    "dtype",
    ["int64", "uint16", "uint32", "uint64", "float16", "longdouble", "bool", "complex64", "S3", "U2", "O", "M8[s]"],
)
def test_other_types_are_refused_with_the_list_of_six(dtype: str) -> None:
    with pytest.raises(IdxError, match="uint8, int8, int16, int32, float32, float64"):
        format_header(np.zeros(2, dtype))


def test_a_record_type_is_refused() -> None:
    with pytest.raises(IdxError, match="no type"):
        format_header(np.zeros(2, [("a", np.uint8)]))


def test_a_variable_width_string_type_is_refused() -> None:
    with pytest.raises(IdxError, match="no type"):
        format_header(np.array(["a"], dtype=np.dtypes.StringDType()))


def test_a_side_past_32_bits_is_refused() -> None:
    with pytest.raises(IdxError, match="4,294,967,295"):
        format_header(np.broadcast_to(np.uint8(0), (2**32,)))


def test_the_largest_side_is_written() -> None:
    assert format_header(np.broadcast_to(np.uint8(0), (2**32 - 1,))) == b"\0\0\x08\x01\xff\xff\xff\xff"
