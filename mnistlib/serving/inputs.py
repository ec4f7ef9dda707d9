"""Rows of a JSON request, with the validation that the tutorial's entry script lacks."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlib.serving.refusals import Refusal

_NUMBERS = frozenset((float, int))
_TYPE_NAMES = {bool: "a boolean", str: "a string", type(None): "null", list: "a list", dict: "an object"}


def parse_json(text: bytes | str) -> Any:
    """Return parsed JSON; accept NaN and Infinity, so that a later error can give their position.

    Raise Refusal 400 if the text is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refusal(400, "json", f"the body is not JSON: {error.msg}", where=where) from error
    except UnicodeDecodeError as error:
        raise Refusal(400, "json", "the body is not JSON: it is not UTF-8", where=f"byte {error.start}") from error
    except RecursionError as error:
        raise Refusal(400, "json", "the body can't be parsed as JSON: it is nested too deep") from error
    except ValueError as error:  # an integer with more digits than Python converts
        raise Refusal(400, "json", f"the body can't be parsed as JSON: {error}") from error


def rows_of(content: Any, *, width: int, unit: bool) -> NDArray[np.float64]:
    """Return the rows of ``{"data": [[numbers], ...]}``, which is parsed JSON, as an array of shape (n, width).

    There must be at least one row. If `unit`, the numbers are pixels, which must be between 0 and 1. Raise Refusal 422
    for any other content; the error gives the reason and the position.

    Examples
    --------
    >>> rows_of({"data": [[0, 0.5]]}, width=2, unit=True)
    array([[0. , 0.5]])
    """
    rows = _list_of(content)
    for index, row in enumerate(rows):
        if type(row) is not list:
            raise _type_error(row, f"data[{index}]", f"a list of {width} numbers")
        if len(row) != width:
            raise _width_error(rows, index, width)
        if not _NUMBERS.issuperset(map(type, row)):
            column = next(column for column, value in enumerate(row) if type(value) not in _NUMBERS)
            raise _type_error(row[column], f"data[{index}][{column}]", "a number")
    try:
        numbers = np.array(rows, np.float64)
    except OverflowError as error:  # an integer outside the range of floating-point numbers
        raise Refusal(422, "range", "a number is too large for floating point", where="data") from error
    lowest, highest = numbers.min(), numbers.max()
    # Written so that NaN, for which every comparison is false, does not pass.
    if not (lowest >= 0 and highest <= 1 if unit else np.isfinite(lowest) and np.isfinite(highest)):
        raise _value_error(numbers, unit=unit)
    return numbers


def _list_of(content: Any) -> list[Any]:
    if not isinstance(content, dict):
        raise _type_error(content, "body", 'an object, {"data": [[...], ...]}')
    if "data" not in content:
        raise Refusal(422, "missing", 'the body has no "data": expected {"data": [[...], ...]}', where="data")
    rows = content["data"]
    if type(rows) is not list:
        raise _type_error(rows, "data", "a list of rows")
    if not rows:
        raise Refusal(422, "empty", "data is empty: expected at least one row", where="data")
    return rows


def _type_error(value: Any, where: str, expected: str) -> Refusal:
    found = _TYPE_NAMES.get(type(value), "a number")
    hint = ": an image is one flat list, row after row" if isinstance(value, list) else ""
    return Refusal(422, "type", f"{where} is {found}, expected {expected}{hint}", where=where)


def _width_error(rows: list[Any], index: int, width: int) -> Refusal:
    found = len(rows[index])
    ragged = any(type(row) is not list or len(row) != found for row in rows)
    also = "; rows have different lengths" if ragged else ""
    return Refusal(
        422,
        "ragged" if ragged else "shape",
        f"data[{index}] has {found} numbers, expected {width}{also}",
        where=f"data[{index}]",
    )


def _value_error(numbers: NDArray[np.float64], *, unit: bool) -> Refusal:
    finite = np.isfinite(numbers)
    wrong = ~finite if not unit or not finite.all() else (numbers < 0) | (numbers > 1)
    row, column = map(int, np.argwhere(wrong)[0])
    where, value = f"data[{row}][{column}]", float(numbers[row, column])
    if np.isnan(value):
        return Refusal(422, "nan", f"{where} is not a number (NaN)", where=where)
    if np.isinf(value):
        return Refusal(422, "range", f"{where} is infinite", where=where)
    hint = ". Pixels from 0 to 255 must be divided by 255" if 2 <= numbers.max() <= 255 else ""
    return Refusal(422, "range", f"{where} is {value!r}, expected 0 (background) to 1 (ink){hint}", where=where)
