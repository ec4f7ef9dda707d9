"""The emulator is a product of its own: it needs next to nothing of mnistlib, and its imports have no cycles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mnistlib

NAME = "mnistlib.testing.azureml"
PACKAGE = Path(mnistlib.__file__).parent / "testing" / "azureml"
ALLOWED = ("mnistlib.errors", "mnistlib.files", "mnistlib.html")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join([NAME, *(part for part in parts if part != "__init__")])


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_by(path: Path) -> set[str]:
    """Return the modules of mnistlib that a module imports anywhere, also for annotations only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else str(node.module) for name in whole}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "mnistlib"}


@pytest.mark.parametrize("name", MODULES)
def test_the_emulator_imports_nothing_of_mnistlib_but_leaves(name: str) -> None:
    foreign = {other for other in imported_by(MODULES[name]) if other not in MODULES}
    assert {other for other in foreign if ".".join(other.split(".")[:2]) not in ALLOWED} == set()


def test_imports_have_no_cycle() -> None:
    graph = {name: imported_by(path) & MODULES.keys() for name, path in MODULES.items()}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the modules
