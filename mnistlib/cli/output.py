"""Output of a command, as text or as JSON."""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Output of a command, as data and as text.

    Attributes
    ----------
    content : mapping
        Object to print with ``--json``.
    lines : iterable of str
        Lines of text. A generator if they need more data than the content, so that it runs only when printed.
    """

    content: Mapping[str, Any]
    lines: Iterable[str]


def print_answer(answer: Answer, options: argparse.Namespace) -> None:
    """Print the output of a command as text or, if requested, as JSON."""
    if options.json:
        print_json(**answer.content)
    else:
        sys.stdout.writelines(f"{line}\n" for line in answer.lines)
        sys.stdout.flush()


def print_json(**content: Any) -> None:
    """Print one JSON object and flush it, since a program may wait for the output of ``serve``."""
    print(json.dumps(_finite(content), indent=2), flush=True)


def _finite(content: Any) -> Any:
    """Replace NaN and the infinities, which JSON does not support, by None."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def near(path: Path) -> str:
    """Return a path for display: relative if it is in the current folder, else absolute."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
