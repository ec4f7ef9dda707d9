"""Output of a command: the answer that it returns, as text or as JSON."""

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
    """Answer of a command, as data and as text.

    Attributes
    ----------
    content : mapping
        The object that ``--json`` prints.
    lines : iterable of str
        The text. Where it takes more than the content to make it, a generator, which runs only if it is printed.
    """

    content: Mapping[str, Any]
    lines: Iterable[str]


def print_answer(answer: Answer, options: argparse.Namespace) -> None:
    """Print an answer as the options ask for it."""
    if options.json:
        print_json(**answer.content)
    else:
        sys.stdout.writelines(f"{line}\n" for line in answer.lines)
        sys.stdout.flush()


def print_json(**content: Any) -> None:
    """Print one JSON object, at once: who started a service waits for its first word."""
    print(json.dumps(_finite(content), indent=2), flush=True)


def _finite(content: Any) -> Any:
    """Put null where JSON has no number: NaN and the infinities."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def near(path: Path) -> str:
    """Return a path as a person would write it: relative, where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
