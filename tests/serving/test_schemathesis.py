"""Test of a service against its OpenAPI description by schemathesis, in a separate tox environment."""

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.servers import Server, environment

pytest.importorskip("schemathesis")

_SCRIPT = str(Path(sysconfig.get_path("scripts"), "schemathesis"))


@pytest.mark.parametrize("model", ["digits", "iris", "linear-svc"])
def test_every_path_follows_its_description_for_any_request(
    server_of: Callable[[str], Server], model: str, tmp_path: Path
) -> None:
    words: list[str] = [
        str(_SCRIPT),
        "run",
        server_of(model).url("/swagger.json"),
        "--no-color",
        "--max-examples",
        "200",
    ]
    # The description only has bytes for PNG and IDX files; most random bytes are refused.
    words += ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=600, env=environment(), cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failures" not in done.stdout
    assert not [labels for _, labels in server_of(model).metrics() if ("status", "500") in labels]
