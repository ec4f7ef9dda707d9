"""Collection of the tests that the installed packages allow.

A test that needs a package which some tox environments lack has the mark ``needs``; a module that imports one begins
with ``pytest.importorskip``. Without the package neither is collected: one line of the summary counts them, and names
the environments that run them. An environment lists the packages that it must have in the variable `REQUIRED`, so that
it fails without them.
"""

import os
import re
from collections import Counter, defaultdict
from functools import cache
from importlib.util import find_spec
from typing import Any

import pytest

from mnistlib.serving.packages import PACKAGES

#: Variable with the packages that must be installed, separated by spaces.
REQUIRED = "MNISTLIB_TESTS_NEED"

#: Module -> the tox environment that has it and runs its tests; the same for the modules below it.
ENVIRONMENTS = {
    "IPython": "browser",
    "PIL": "tests",
    "azure": "cloud",
    "azureml": "cloud",
    "azureml.dataprep": "cloud-dataset",
    "azureml_inference_server_http": "inference-server",
    "benchopt": "benchopt",
    "ipykernel": "notebooks",
    "isal": "tests",
    "matplotlib": "tests",
    "mypy": "types",
    "pyright": "types",
    "mlflow": "mlflow",
    "alembic": "mlflow",
    "sqlalchemy": "mlflow",
    "nbclient": "notebooks",
    "nbstripout": "notebooks",
    "onnxruntime": "tests",
    "pandas": "mlflow-large",
    "pathspec": "cloud",
    "rich": "tests",
    "schemathesis": "schemathesis",
    "selenium": "browser",
    "skl2onnx": "tests",
    "skops": "tests",
    "sklearn.callback": "tests",
    "torch": "torch",
    **dict.fromkeys(PACKAGES, "tests"),
}

#: Fixture -> modules that its tests need.
FIXTURES = {
    "browser": ("selenium",),
    "empty_store": ("mlflow", "sqlalchemy", "alembic"),
    **dict.fromkeys(("server", "server_of", "blocking"), tuple(PACKAGES)),
}

_MISSING = re.compile(r"could not import '([\w.]+)'")
_counts: Counter[tuple[str, str]] = Counter()
_of_a_worker: list[Counter[tuple[str, str]]] = []


@cache
def is_installed(module: str) -> bool:
    """Return whether a module can be found, without importing more than its parents."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent is missing
        return False


def missing(item: pytest.Item) -> str | None:
    """Return the first module that a test needs and that is not installed."""
    marked = [module for mark in item.iter_markers("needs") for module in mark.args]
    used = [module for name in getattr(item, "fixturenames", ()) for module in FIXTURES.get(name, ())]
    return next((module for module in marked + used if not is_installed(module)), None)


def environment_of(module: str) -> str:
    """Return the tox environment that runs the tests of a module."""
    name = module
    while name not in ENVIRONMENTS:
        name, dot, _ = name.rpartition(".")
        if not dot:
            raise pytest.UsageError(f"add the tox environment of {module} to {__name__}.ENVIRONMENTS")
    return ENVIRONMENTS[name]


def summary(counts: Counter[tuple[str, str]]) -> str:
    """Return the line about the tests that were not collected, sorted by environment."""
    parts = defaultdict(list)
    for (environment, kind), count in sorted(counts.items(), key=lambda entry: (entry[0][0], entry[0][1] != "test")):
        parts[environment].append(f"{count:,} {kind}{'s' * (count != 1)}")
    return "not collected: " + ", ".join(f"{' and '.join(each)} of tox -e {name}" for name, each in parts.items())


def pytest_configure() -> None:
    absent = [module for module in os.environ.get(REQUIRED, "").split() if not is_installed(module)]
    if absent:
        raise pytest.UsageError(f"{REQUIRED} lists modules that are not installed: {', '.join(absent)}")


@pytest.hookimpl(trylast=True)  # after -k and -m, so that only the selected tests are counted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, dropped = [], []
    for item in items:
        if (module := missing(item)) is None:
            kept.append(item)
        else:
            dropped.append(item)
            _counts[environment_of(module), "test"] += 1
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """Replace the report of a module whose package is missing with one of an empty module."""
    report: pytest.CollectReport = yield
    found = _MISSING.search(str(report.longrepr)) if report.skipped else None
    if found and is_installed(found[1]):
        report.outcome = "failed"  # it is there, but an import inside it fails
    elif found:
        _counts[environment_of(found[1]), "file"] += 1
        report.outcome, report.longrepr, report.result = "passed", None, []
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a pytest-xdist worker to the main process, which collects nothing."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not_collected"] = [[*key, count] for key, count in _counts.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    sent = getattr(node, "workeroutput", {}).get("not_collected", [])
    _of_a_worker.append(Counter({(environment, kind): count for environment, kind, count in sent}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # Every worker collects the same tests.
    if counts := _of_a_worker[0] if _of_a_worker else _counts:
        terminalreporter.write_line(summary(counts))
