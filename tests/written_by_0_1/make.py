"""Write the files of this folder with mnistlib 0.1, for tests that the current version reads them.

The files are those of commit 65f0aa9, the first version that was published. To write them again, check that commit out
and run this script with it, from an empty folder whose path may stand in the files::

    git worktree add /tmp/mnistlib-0.1 65f0aa9
    python -m venv /tmp/venv
    /tmp/venv/bin/pip install "/tmp/mnistlib-0.1[serve,skops,testing,azureml-dataset,azureml-v2]" \
        mlflow-skinny azureml-mlflow "numpy==2.0.*" "scikit-learn==1.6.*" "scipy==1.13.*" "joblib==1.4.*"
    mkdir -p /home/user/project && cd /home/user/project
    OMP_NUM_THREADS=1 /tmp/venv/bin/python -P .../tests/written_by_0_1/make.py

The lowest supported versions of NumPy and scikit-learn write the pickles, so that all supported ones read them.

============================  ==========================================================================
``runs/``                     a folder of runs of the local backend
``runs/digits/``              runs named ``trained``, ``swept``, ``script``, ``failed``, ``cancelled``, ``killed``
``runs/.models/``             its registry: ``digits`` 1 (registered by the job), 2 (with tags), 3 (deleted)
``runs/.services/digits/``    a deployed service whose process was killed
``runs/.cloud/``              results that the two Azure ML backends have brought from the emulator
``digits.skops``              version 2 of the model, exported
``emulator.tar.xz``           the emulator's folder, with runs, models, data and a service of each SDK
``cloud.json``                the ids of the emulator's runs
============================  ==========================================================================

Absolute paths in the files are those of the folder they were written in; that folder need not exist. Git keeps no empty
folders: a run without outputs has lost that folder. The emulator's folder lacks the files that each start writes,
``lock`` and ``ca.pem``, and the environments, which are links to an interpreter and its packages.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import mnistlib
from mnistlib import LocalBackend, ScriptJob, SweepJob, TrainJob
from mnistlib.backends import get_backend

HERE = Path(__file__).parent
TRAIN = TrainJob(dataset="digits", limit=300, regularization=0.5, tol=1e-3)
SWEEP = SweepJob(base=TRAIN, regularization=[1000.0, 1.0, 100.0])
TAGS = {"purpose": "fixture", "by": "user"}
LEFT_OUT = ("lock", "ca.pem", "environments", "__pycache__")

SCRIPT = """\
import sys
from pathlib import Path

import mnistlib

run = mnistlib.current_run()
for step in range(3):
    run.log_metric("loss", 1 / (step + 1), step=step)
print("script says", *sys.argv[1:])
Path("outputs/result.txt").write_text("42\\n")
"""
FAILS = 'print("script begins")\nraise ValueError("no such luck")\n'
SLEEPS = 'import time\nprint("script sleeps", flush=True)\ntime.sleep(600)\n'


def script(name: str, text: str, *arguments: str) -> ScriptJob:
    """Return the job of a script in a folder of its own."""
    folder = Path("source", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.py").write_text(text)
    return ScriptJob(script="script.py", source_directory=str(folder.absolute()), arguments=arguments)


def until_log_has(run: Any, text: str) -> None:
    """Wait until a run has said something."""
    while text not in run.logs():
        time.sleep(0.05)


def write_local() -> None:
    """Write a folder of runs, with its registry and a service."""
    backend = LocalBackend("runs")
    options: dict[str, Any] = {"experiment": "digits"}
    trained = backend.submit(TRAIN, name="trained", tags=TAGS, register_as="digits", **options)
    trained.wait()
    trained.register_model("digits", description="the second", tags={"stage": "trial", "owner": "user"})
    trained.register_model("digits")
    backend.models.delete("digits", 3)
    backend.run(SWEEP, name="swept", tags=TAGS, **options)
    backend.run(script("works", SCRIPT, "hello"), name="script", **options)
    backend.submit(script("fails", FAILS), name="failed", **options).wait()
    cancelled = backend.submit(script("sleeps", SLEEPS), name="cancelled", **options)
    until_log_has(cancelled, "script sleeps")
    cancelled.cancel()
    cancelled.wait()
    write_killed()
    backend.models.get("digits", 2).export_skops("digits.skops")
    backend.models.get("digits", 2).deploy("digits")
    os.kill(int(Path("runs/.services/digits/process").read_text()), signal.SIGKILL)


def write_killed() -> None:
    """Write a run whose process is killed while it runs."""
    process = subprocess.Popen([sys.executable, "-P", __file__, "killed"], start_new_session=True)
    backend = LocalBackend("runs")
    while not (found := [run for run in backend.runs() if run.name == "killed"]):
        time.sleep(0.05)
    until_log_has(found[0], "script sleeps")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_cloud() -> None:
    """Write the folder of an emulator, and of runs that were brought from it."""
    from mnistlib.testing.azureml import AzureMLEmulator

    ids: dict[str, dict[str, str]] = {}
    with AzureMLEmulator("emulator") as service:
        write_data(service)
        for name in ("azureml", "azureml-v2"):
            backend = get_backend(name, config=service.config_path, runs_folder="runs")
            options: dict[str, Any] = {"experiment": "digits", "tags": TAGS}
            trained = backend.submit(TRAIN, name="trained", register_as=f"digits-{name}", **options)
            trained.result()
            version = trained.register_model("digits", description=f"by {name}", tags={"stage": "trial"})
            swept = backend.submit(SWEEP, name="swept", **options)
            swept.result()
            failed = backend.submit(script("fails", FAILS), name="failed", **options)
            failed.wait()
            version.deploy(f"digits-{name}")
            ids[name] = {"trained": trained.id, "swept": swept.id, "failed": failed.id}
    Path("cloud.json").write_text(json.dumps(ids, indent=2) + "\n")


def write_data(service: Any) -> None:
    """Register data with each SDK."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data
    from azureml.core import Dataset, Workspace

    folder = Path("data")
    folder.mkdir()
    (folder / "one.txt").write_text("one\n")
    client = MLClient.from_config(service.credential, path=str(service.config_path))
    client.data.create_or_update(Data(name="words", version="1", path=str(folder), type="uri_folder"))
    workspace = Workspace.from_config(str(service.config_path))
    datastore = workspace.get_default_datastore()
    datastore.upload(str(folder), "words", show_progress=False)
    Dataset.File.from_files(datastore.path("words")).register(workspace, "words-v1", tags=TAGS)


def pack() -> None:
    """Bring what was written into the folder of this script."""
    for name in ("runs", "emulator"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    shutil.copytree("runs", HERE / "runs", symlinks=True)
    for name in ("digits.skops", "cloud.json"):
        shutil.copyfile(name, HERE / name)
    with tarfile.open(HERE / "emulator.tar.xz", "w:xz") as archive:
        archive.add("emulator", filter=lambda member: None if Path(member.name).name in LEFT_OUT else member)


def main() -> None:
    """Write everything, or the run that is to be killed."""
    print(mnistlib.__file__)  # noqa: T201 - shows which version writes
    if sys.argv[1:] == ["killed"]:
        LocalBackend("runs").run(script("sleeps", SLEEPS), experiment="digits", name="killed")
        return
    # The SDKs remember in their user's home what they have sent.
    os.environ["HOME"] = tempfile.mkdtemp()
    write_local()
    write_cloud()
    pack()


if __name__ == "__main__":
    main()
