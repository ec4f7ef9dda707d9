"""Output and exit status of ``mnistlib doctor``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnistlib.backends.doctor import Check
from mnistlib.cli.doctor import text_of
from tests.azureml import SDKS, with_sdk


def doctor(*arguments: str | Path, status: int = 0, folder: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mnistlib", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_a_ready_backend_is_printed_check_by_check() -> None:
    lines = doctor().splitlines()
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == [
        *("mnistlib", "packages", "data sets", "runs folder"),
        "local is ready",
    ]


def test_a_failed_check_is_printed_with_advice_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = doctor("--runs", tmp_path / "file", status=1)
    assert "runs folder  FAILED" in text
    assert "-> Choose another folder with --runs" in text
    assert "is ready" not in text


def test_json_is_one_object_with_every_check(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = json.loads(doctor("--json", "--runs", tmp_path / "file", status=1))
    assert (told["backend"], told["ready"]) == ("local", False)
    assert [check["ok"] for check in told["checks"]] == [True, True, True, False]
    assert told["checks"][3].keys() == {"name", "ok", "found", "advice"}
    assert json.loads(doctor("--json"))["ready"] is True


def test_an_unknown_backend_is_one_line() -> None:
    assert doctor("--backend", "cloud9", status=1) == ""


@pytest.mark.parametrize("backend", list(map(with_sdk, SDKS)))
def test_a_workspace_is_examined_from_the_folder_of_its_config_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    from mnistlib.testing.azureml import AzureMLEmulator

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with AzureMLEmulator(vm_quota=4) as service:
        told = json.loads(doctor("--backend", backend, "--json", status=1, folder=service.folder))
    assert [check["name"] for check in told["checks"] if not check["ok"]] == ["quota"]


def test_words_are_wrapped_and_never_cut() -> None:
    checks = [
        Check(name="credential", ok=False, found="no token: " + "words " * 20, advice="Sign in " * 12),
        Check(name="quota", ok=None, found="not checked without credential"),
    ]
    text = text_of(checks, width=72)
    assert max(map(len, text.splitlines())) <= 72
    assert text.split().count("words") == 20
    assert text.split().count("Sign") == 12
    assert text.splitlines()[-1] == "quota       -       not checked without credential"


def test_control_characters_are_not_printed() -> None:
    assert "\x1b" not in text_of([Check(name="SDK", ok=True, found="red \x1b[31m")], width=80)
