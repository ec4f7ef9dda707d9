"""Files of a run on a cluster, under the same names as in a run folder on any backend."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mnistlib.backends.cloud.cluster_client import FileClient
from mnistlib.jobs.node import COLLECTED, LOGS

_COLLECTED_AS = {(LOGS / name).as_posix(): name for name in COLLECTED}


def stored_names(client: FileClient, run_id: str) -> dict[str, str]:
    """Return the names of a run's files, each with its name on the cluster."""
    return {_COLLECTED_AS.get(name, name): name for name in client.file_names(run_id)}


def read_file(client: FileClient, run_id: str, name: str) -> bytes:
    """Return the content of a file; FileNotFoundError if the run has no file of that name."""
    stored = (LOGS / name).as_posix() if name in COLLECTED else name
    with tempfile.TemporaryDirectory(prefix="mnistlib-") as folder:
        client.fetch(run_id, [stored], Path(folder))
        return Path(folder, stored).read_bytes()


def download(
    client: FileClient, run_id: str, target: str | os.PathLike[str], names: Sequence[str] | None = None
) -> list[Path]:
    """Copy files of a run into a folder, which is created; see :meth:`mnistlib.runs.Run.download`."""
    stored = stored_names(client, run_id)
    wanted = sorted(stored) if names is None else list(names)
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise FileNotFoundError(f"run {run_id} has no file {missing[0]!r}; it has {', '.join(sorted(stored))}")
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    # In the same file system as the target, so that each complete file is renamed atomically.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".part") as parts:
        client.fetch(run_id, [stored[name] for name in wanted], Path(parts))
        for name in wanted:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Path(parts, stored[name]).replace(folder / name)
    return [folder / name for name in wanted]
