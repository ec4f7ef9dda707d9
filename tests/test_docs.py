"""The pages of the documentation: a reader who follows one gets the outputs that it shows."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

import mnistlib
from mnistlib.backends.spec import BackendSpec
from mnistlib.cli.grammar import COMMANDS
from mnistlib.cli.parser import make_parser, with_action
from tests.azureml import SDKS, strangers, with_sdk
from tests.pages import DOCS, PAGES, RUN_ID, Block, Reader, blocks, commands, prose

#: Page -> the modules that following it needs beside the package.
NEEDS = {
    "emulator.md": ["azure.ai.ml", "azureml.mlflow"],
    "own-images.md": ["orjson", "PIL"],
    "property-tests.md": ["hypothesis"],
    "serving.md": ["orjson"],
}
#: Pages that other tests follow.
ELSEWHERE = {
    "azure.md": "below, on the emulator",
    "backends.md": "tests/third_party, in a new virtual environment",
    "README.md": "test_readme.py",
}

TITLES = [page.name for page in PAGES]


def is_followed(block: Block) -> bool:
    return block.language == "console" or (block.language == "python" and ">>>" in block.content)


FOLLOWED = [page for page in PAGES if page.name not in ELSEWHERE and any(map(is_followed, blocks(page)))]


def named_commands(text: str) -> list[str]:
    return re.findall(r"^(?:\$ )?mnistlib (.*?)(?: +#.*| \|.*)?$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name, marks=pytest.mark.needs(*NEEDS.get(page.name, ()))) for page in FOLLOWED]
)
def test_a_reader_gets_the_outputs_of_the_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNISTLIB_RUNS")
    Reader(tmp_path).follow(page)


@pytest.mark.parametrize("page", PAGES, ids=TITLES)
def test_every_command_of_the_page_is_valid(page: Path) -> None:
    in_prose = re.findall(r"`mnistlib\s([^`]*)`", prose(page))
    in_blocks = [command for block in blocks(page) for command in named_commands(block.content)]
    for command in [*in_prose, *in_blocks]:
        words = with_action([word for word in shlex.split(command) if word != "..."])
        if len(words) == 1 or "COMMAND" in words:
            assert words[0] in {*COMMANDS, "COMMAND"}
        else:
            make_parser().parse_args(words)  # exits on an unknown command or option


@pytest.mark.parametrize("page", PAGES, ids=TITLES)
def test_every_linked_file_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", prose(page)):
        assert (page.parent / target).exists(), target


def test_every_public_name_is_in_the_reference() -> None:
    reference = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    from mnistlib import errors

    named = {*re.findall(r":: mnistlib\.(\w+)$", reference, re.MULTILINE), *errors.__all__}
    assert named >= set(mnistlib.__all__)


@pytest.mark.parametrize("module", ["mnistlib.testing", "mnistlib.testing.azureml"])
def test_every_name_for_tests_is_in_the_reference(module: str) -> None:
    public = pytest.importorskip(module).__all__
    reference = (DOCS / "api" / "testing.md").read_text()
    assert {name for name in public if f":: {module}.{name}\n" not in reference} == set()


def first_cells(page: str) -> list[str]:
    """Return the code in the first cells of the rows of tables."""
    return re.findall(r"^\| `([^`]*)` \|", (DOCS / page).read_text(), re.MULTILINE)


def test_the_table_of_commands_has_each_command() -> None:
    assert {cell.split()[1] for cell in first_cells("command-line.md")} == set(COMMANDS)


def test_the_table_of_a_training_has_each_field() -> None:
    assert set(first_cells("training.md")) == {field.name for field in fields(mnistlib.TrainJob)}


def test_the_table_of_a_description_of_a_backend_has_each_field() -> None:
    assert {field.name for field in fields(BackendSpec)} <= set(first_cells("backends.md"))


def test_the_pages_are_in_plain_english() -> None:
    pages = [page.read_text() for page in PAGES]
    relatives = sum(len(re.findall(r"\b(?:what|whatever|whoever|whom|whose)\b", page, re.IGNORECASE)) for page in pages)
    assert relatives <= 4 * sum(page.count("\n") for page in pages) / 1000


@pytest.mark.parametrize("backend", list(map(with_sdk, SDKS)))
def test_a_reader_of_the_page_on_azure_gets_there(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mnistlib.testing.azureml import AzureMLEmulator

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MNISTLIB_BACKEND", backend)
    page = DOCS / "azure.md"
    with AzureMLEmulator(tmp_path / "azureml") as service:
        here = service.config_path.parent
        reader = Reader(here)
        reader.follow(page)
        printed = reader.printed
        assert printed["mnistlib doctor"].endswith(f"{backend} is ready\n")
        assert "sklearn_mnist" in printed["mnistlib models"]
        assert (here / "report.html").is_file()
        assert list((here / "model").iterdir())
        (prediction,) = [command for command in printed if "predict" in command]
        assert len(printed[prediction].split()) >= 5
        deleted = [request for request in service.requests if request.method == "DELETE"]
        assert [request.path.rpartition("/")[2] for request in deleted] == ["sklearn-mnist", "cpu-cluster"]
        assert strangers(service) == []


def test_the_page_on_azure_has_each_command_of_mnistlib_in_a_block_that_runs() -> None:
    page = DOCS / "azure.md"
    in_blocks = [command for block in blocks(page) for command in named_commands(block.content)]
    run = [command for block in blocks(page) if block.language == "console" for command in commands(block)]
    assert in_blocks == [command.line.removeprefix("mnistlib ") for command in run if "mnistlib " in command.line[:9]]


def test_the_page_on_azure_shows_one_run() -> None:
    assert len(set(RUN_ID.findall((DOCS / "azure.md").read_text()))) == 1


@pytest.mark.parametrize(
    ("shown", "fails"),
    [
        ("two\n", False),
        ("...\n", False),
        ("one\n", True),
    ],
)
def test_an_output_other_than_the_shown_one_is_an_error(shown: str, fails: bool, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```console\n$ echo two\n{shown}```\n")
    if not fails:
        Reader(tmp_path).follow(page)
        return
    with pytest.raises(AssertionError, match="but the page shows"):
        Reader(tmp_path).follow(page)


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ exit 3\n```\n")
    with pytest.raises(AssertionError, match=r"\$ exit 3"):
        Reader(tmp_path).follow(page)


def test_a_page_writes_its_files_first(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`a.txt`:\n\n```text\nhello\n```\n\n```console\n$ cat a.txt\nhello\n```\n")
    Reader(tmp_path).follow(page)
