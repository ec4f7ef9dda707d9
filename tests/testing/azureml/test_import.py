import subprocess
import sys

import pytest


def run_python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "trustme", "packaging"])
def test_a_missing_package_is_an_error_that_names_the_extra(package: str) -> None:
    asked = run_python(f"import sys; sys.modules[{package!r}] = None; import mnistlib.testing.azureml")
    message = 'the Azure ML emulator needs the "testing" extra: pip install "mnistlib-ml[testing]"'
    assert message in asked.stderr


def test_the_strategies_need_none_of_its_packages() -> None:
    asked = run_python("import sys, mnistlib.testing; print({'starlette', 'uvicorn', 'trustme'} & set(sys.modules))")
    assert asked.stdout == "set()\n", asked.stderr
