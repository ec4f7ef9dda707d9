"""Imports run one way; a module may import from its own layer and those before it."""

import ast
import re
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mnistlib

LAYERS = [
    {"_distribution", "_version", "environment", "errors", "files", "html", "lazy"},
    {"idx", "options", "package", "pictures"},
    {"datasets"},
    {"linear"},
    {"models"},
    {"runs"},
    {"training"},
    {"jobs"},
    {"serving"},
    {"backends"},
    {"plots", "report"},
    {"cli", "testing"},
    {"__main__"},
]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
PACKAGE = Path(mnistlib.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mnistlib":
            parts |= {part_of(node.module)} if "." in node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            parts |= {part_of(alias.name) for alias in node.names if alias.name.startswith("mnistlib.")}
    return parts - {""}


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_a_module_imports_only_from_its_own_layer_and_those_before(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert part in RANK, f"give {part} a place in LAYERS"
    for other in imported_parts(path):
        assert RANK[other] <= RANK[part], f"{part} imports {other}, which stands above it"


def test_the_layers_name_no_part_that_is_gone() -> None:
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} == set(RANK)


def test_the_page_on_the_architecture_shows_the_layers() -> None:
    page = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text()
    (shown,) = re.findall(r"^```\n(_distribution.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert [set(re.findall(r"\w+", layer)) for layer in shown.split("<")] == LAYERS[:-1]  # without __main__


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {module_name(path): path for path in [*MODULES, PACKAGE / "__init__.py"]}
    # The front page loads each name when it is used.
    graph = {name: modules_in(path, names) for name, path in names.items() if name != "mnistlib"}
    TopologicalSorter(graph).prepare()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def modules_in(path: Path, names: Collection[str]) -> set[str]:
    """Return the modules of the package that one imports anywhere: in functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (below & set(names)) or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(names) - {module_name(path)}


def test_nothing_but_tests_imports_testing() -> None:
    for path in MODULES:
        if "testing" not in path.parts:
            assert "testing" not in imported_parts(path)


def imported_modules(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


def test_only_the_files_of_a_cloud_import_its_sdk() -> None:
    for path in MODULES:
        if any(module.partition(".")[0] in ("azureml", "azure") for module in imported_modules(path)):
            assert {"azureml", "azureml_v2", "testing"} & set(path.parts), path


def test_only_the_backends_of_a_cloud_use_its_words() -> None:
    for path in MODULES:
        if not {"azure", "azureml", "azureml_v2"} & set(path.parts):
            assert not re.search(r"azure|\baml|aml(compute|response|ignore)", path.read_text(), re.IGNORECASE), path


def test_modules_shared_by_clusters_import_no_cloud() -> None:
    shared = [path for path in MODULES if "cloud" in path.parts]
    assert shared
    for path in [*shared, PACKAGE / "backends/base.py", PACKAGE / "jobs/node.py", PACKAGE / "cli/node.py"]:
        assert not any("azureml" in module for module in imported_modules(path)), path
