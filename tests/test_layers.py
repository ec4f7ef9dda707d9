"""Imports run one way; a module may import from its own layer and those before it."""

import ast
from pathlib import Path

import pytest

import mnistlib

LAYERS = [
    {"errors", "files", "html"},
    {"idx", "charts"},
    {"datasets", "preprocessing", "evaluation"},
    {"linear"},
    {"runs", "artifacts", "exports", "models", "scoring", "services", "solvers"},
    {"training"},
    {"jobs"},
    {"registry", "tracking"},
    {"serving"},
    {"backends", "plots", "report"},
    {"cli", "testing"},
    {"__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
PACKAGE = Path(mnistlib.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mnistlib":
            rooms |= {room_of(node.module)} if "." in node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {room_of(alias.name) for alias in node.names if alias.name.startswith("mnistlib.")}
    return rooms - {""}


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_a_module_imports_only_from_its_own_layer_and_those_before(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in RANK, f"give {room} a place in LAYERS"
    for other in imported_rooms(path):
        assert RANK[other] <= RANK[room], f"{room} imports {other}, which stands above it"


def test_nothing_but_tests_imports_testing() -> None:
    for path in MODULES:
        if "testing" not in path.parts:
            assert "testing" not in imported_rooms(path)


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


def test_what_any_cluster_shares_knows_no_cloud() -> None:
    shared = [path for path in MODULES if "cloud" in path.parts]
    assert shared
    for path in [*shared, PACKAGE / "backends/base.py", PACKAGE / "jobs/node.py", PACKAGE / "cli/node.py"]:
        assert not any("azureml" in module for module in imported_modules(path)), path
