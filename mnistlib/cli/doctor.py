"""Command doctor: checks of the requirements of a first job."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from mnistlib.backends.doctor import Check, diagnose
from mnistlib.backends.spec import chosen_name
from mnistlib.cli.options import backend_options
from mnistlib.cli.output import Answer, print_answer

_MIN_WIDTH = 40  # minimum width of the text, in columns, on a narrow terminal
_STATES = {True: "ok", False: "FAILED", None: "-"}


def doctor(options: argparse.Namespace) -> None:
    """Print the result of each check, with advice if it fails; exit with status 1 if any check fails."""
    checks = diagnose(options.backend, **backend_options(options, "connection"))
    backend, ready = chosen_name(options.backend), all(check.ok for check in checks)
    lines = text_of(checks, width=shutil.get_terminal_size().columns).splitlines()
    if ready:
        lines.append(f"{backend} is ready")
    content = {"backend": backend, "ready": ready, "checks": [asdict(check) for check in checks]}
    print_answer(Answer(content, lines), options)
    if not ready:
        sys.exit(1)


def text_of(checks: Sequence[Check], *, width: int) -> str:
    """Lay out a paragraph for each check, without truncation, since the advice is at the end."""
    names = max(len(check.name) for check in checks)
    states = max(map(len, _STATES.values()))
    indent = " " * (names + states + 4)
    text = ""
    for check in checks:
        start = f"{check.name:<{names}}  {_STATES[check.ok]:<{states}}  "
        for head, words in ((start, check.found), (indent + "-> ", check.advice)):
            if words:
                text += _paragraph(head, words, width=max(width, len(head) + _MIN_WIDTH))
    return text


def _paragraph(head: str, words: str, *, width: int) -> str:
    # Replace control characters, which a terminal would interpret.
    plain = "".join(c if c.isprintable() else "?" for c in words)
    rest = " " * len(head)
    lines = textwrap.wrap(plain, width - len(head), break_long_words=False, break_on_hyphens=False)
    return head + f"\n{rest}".join(lines) + "\n"
