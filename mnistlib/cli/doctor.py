"""The command that says whether a first job would find all that it needs."""

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

_LEAST = 40  # columns of words, however narrow the terminal is
_STATES = {True: "ok", False: "FAILED", None: "-"}


def doctor(options: argparse.Namespace) -> None:
    """Print what was found, and for each thing that fails what to do; the exit status is 1 if one does."""
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
    """Lay out a paragraph for each check; nothing is cut, since what is at the end is what to do."""
    names = max(len(check.name) for check in checks)
    states = max(map(len, _STATES.values()))
    indent = " " * (names + states + 4)
    text = ""
    for check in checks:
        start = f"{check.name:<{names}}  {_STATES[check.ok]:<{states}}  "
        for head, words in ((start, check.found), (indent + "-> ", check.advice)):
            if words:
                text += _paragraph(head, words, width=max(width, len(head) + _LEAST))
    return text


def _paragraph(head: str, words: str, *, width: int) -> str:
    # What a terminal would obey rather than show must not get there.
    plain = "".join(c if c.isprintable() else "?" for c in words)
    rest = " " * len(head)
    lines = textwrap.wrap(plain, width - len(head), break_long_words=False, break_on_hyphens=False)
    return head + f"\n{rest}".join(lines) + "\n"
