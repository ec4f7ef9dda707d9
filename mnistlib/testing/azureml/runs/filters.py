"""Filters of queries, in the forms that the SDK writes: ``(Status eq Running and Tags/kind eq small)``."""

import re
from typing import Any

from mnistlib.testing.azureml.answers import bad_argument
from mnistlib.testing.azureml.store import Document

_COMPARISON = re.compile(r"(?P<field>\S+)\s+(?P<operator>eq|ne|ge|gt|le|lt)\s+(?P<value>.+)", re.DOTALL)
_TOKEN = re.compile(r"\(|\)|\s+(?:and|or)\s+")


def matches(document: Document, text: str | None) -> bool:
    """Return whether a document satisfies a filter; an empty filter is always satisfied."""
    if not text:
        return True
    tokens = [token.strip() for token in re.split(f"({_TOKEN.pattern})", text) if token.strip()]
    answer, rest = _either(document, tokens)
    if rest:
        raise bad_argument(f"The filter {text!r} can't be read from {' '.join(rest)!r} on.")
    return answer


def _either(document: Document, tokens: list[str]) -> tuple[bool, list[str]]:
    answer, tokens = _both(document, tokens)
    while tokens[:1] == ["or"]:
        other, tokens = _both(document, tokens[1:])
        answer = answer or other
    return answer, tokens


def _both(document: Document, tokens: list[str]) -> tuple[bool, list[str]]:
    answer, tokens = _one(document, tokens)
    while tokens[:1] == ["and"]:
        other, tokens = _one(document, tokens[1:])
        answer = answer and other
    return answer, tokens


def _one(document: Document, tokens: list[str]) -> tuple[bool, list[str]]:
    if tokens[:1] == ["("]:
        answer, rest = _either(document, tokens[1:])
        if rest[:1] != [")"]:
            raise bad_argument("The filter lacks a closing bracket.")
        return answer, rest[1:]
    found = _COMPARISON.fullmatch(tokens[0]) if tokens else None
    if found is None:
        raise bad_argument(f"The filter's part {' '.join(tokens[:1])!r} is not a comparison.")
    return _compare(document, found["field"], found["operator"], found["value"]), tokens[1:]


def _compare(document: Document, field: str, operator: str, wanted: str) -> bool:
    head, _, key = field.partition("/")
    value: Any = document.get(head[:1].lower() + head[1:])
    if key:
        # The SDK writes "the tag x exists" as "Tags/x ne null or Tags/x eq null".
        if key not in (value or {}):
            return False
        value = value[key]
    text = None if wanted == "null" else wanted.strip("'\"")
    if operator in ("eq", "ne"):
        return (value is None if text is None else str(value) == text) is (operator == "eq")
    if value is None or text is None:
        return False
    # Only times are compared so, and all of them have one format.
    one, other = str(value).replace(" ", "T"), text.replace(" ", "T")
    return {"ge": one >= other, "gt": one > other, "le": one <= other, "lt": one < other}[operator]
