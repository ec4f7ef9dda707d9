"""The page that says how to write a backend shows the files of the toy."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOY = Path(__file__).parent / "toy"


def test_the_page_shows_each_file_as_it_is() -> None:
    page = (ROOT / "docs" / "backends.md").read_text()
    shown = dict(re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL | re.MULTILINE))
    files = [path for path in TOY.rglob("*") if path.suffix in (".py", ".toml") and path.name != "__init__.py"]
    assert shown == {path.relative_to(TOY).as_posix(): path.read_text() for path in files}
