import subprocess
import sys
from importlib.metadata import version

import pytest

import mnistlib

PROMISED = {
    "Dataset",
    "IdxError",
    "LocalBackend",
    "TrainJob",
    "get_backend",
    "load_data",
    "load_dataset",
    "read_idx",
    "read_idx_header",
    "write_idx",
    "write_report",
}


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_every_public_name_can_be_imported_and_knows_where_it_is() -> None:
    for name in mnistlib.__all__:
        assert getattr(mnistlib, name).__name__ == name


def test_the_public_names_are_sorted_and_equal_to_dir() -> None:
    assert mnistlib.__all__ == sorted(mnistlib.__all__)
    assert set(dir(mnistlib)) == {*mnistlib.__all__, "__version__"}


def test_type_checkers_and_the_interpreter_see_the_same_names() -> None:
    import ast
    import inspect

    seen = {
        alias.asname
        for node in ast.walk(ast.parse(inspect.getsource(mnistlib)))
        if isinstance(node, ast.ImportFrom) and node.module != "mnistlib"
        for alias in node.names
        if alias.asname
    }
    assert seen == set(mnistlib.__all__)


def test_the_promised_names_and_the_whole_error_tree_are_public() -> None:
    import mnistlib.errors

    assert set(mnistlib.__all__) >= PROMISED | set(mnistlib.errors.__all__)


def test_every_error_is_a_mnistlib_error_and_its_module_draws_it() -> None:
    import mnistlib.errors

    for name in mnistlib.errors.__all__:
        assert issubclass(getattr(mnistlib.errors, name), mnistlib.MnistlibError)
        assert name in (mnistlib.errors.__doc__ or "")


def test_importing_mnistlib_loads_nothing_heavy() -> None:
    assert not modules_after("import mnistlib") & {"numpy", "sklearn", "pooch", "joblib", "tqdm", "matplotlib", "scipy"}


def test_importing_mnistlib_loads_two_modules_of_it() -> None:
    assert {module for module in modules_after("import mnistlib") if module.partition(".")[0] == "mnistlib"} == {
        "mnistlib",
        "mnistlib._distribution",
    }


def test_the_help_of_the_command_line_loads_these_modules_of_mnistlib_and_nothing_heavy() -> None:
    loaded = modules_after("from mnistlib.cli.parser import make_parser; make_parser(['--help']).format_help()")
    parts = {module.removeprefix("mnistlib.") for module in loaded if module.startswith("mnistlib.")}
    assert parts <= {
        "_distribution",
        "backends",
        "backends.spec",
        *("cli", "cli.arguments", "cli.grammar", "cli.log_output", "cli.options", "cli.output", "cli.parser"),
        *("datasets", "datasets.catalog"),
        *("environment", "errors"),
        "lazy",
        "options",
        *("training", "training.options"),
    }
    assert not loaded & {"numpy", "sklearn", "scipy", "joblib", "pooch", "requests", "tqdm", "filelock", "matplotlib"}


@pytest.mark.parametrize(
    "statement",
    [
        "import mnistlib",
        "import mnistlib; mnistlib.Service",
        "from mnistlib.cli.parser import make_parser; make_parser()",
    ],
)
def test_nothing_of_a_server_is_loaded_before_one_is_asked_for(statement: str) -> None:
    server = {"starlette", "uvicorn", "orjson", "prometheus_client", "PIL", "requests", "mnistlib.serving"}
    assert not modules_after(statement) & server


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "orjson", "prometheus_client", "PIL"])
def test_serving_without_its_extra_names_the_extra(missing: str) -> None:
    hide = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['mnistlib', 'serve', 'nosuch']"
    code = f"{hide}; from mnistlib.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'mnistlib: error: mnistlib serve needs the "serve" extra: pip install "mnistlib-ml[serve]"\n'


def test_reading_idx_loads_neither_scikit_learn_nor_pooch() -> None:
    assert not modules_after("import mnistlib; mnistlib.read_idx") & {"sklearn", "pooch", "scipy", "requests"}


def test_the_version_is_that_of_the_installed_package() -> None:
    assert mnistlib.__version__ == version("mnistlib-ml")


@pytest.mark.parametrize("module", ["cli", "datasets", "errors", "idx", "linear", "report", "runs"])
def test_a_module_is_there_without_an_import_of_its_own(module: str) -> None:
    assert f"mnistlib.{module}" in modules_after(f"import mnistlib; mnistlib.{module}")


def test_the_main_module_is_not_an_attribute() -> None:
    assert not hasattr(mnistlib, "__main__")


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(mnistlib, "read_idxx")


def test_the_package_is_marked_as_typed() -> None:
    from importlib.resources import files

    assert (files("mnistlib") / "py.typed").is_file()
