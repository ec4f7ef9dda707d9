"""The data of jobs in a workspace: uploaded once, under its digest, and optionally registered by name."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mnistlib.backends.azure.calls import Calls, in_parallel
from mnistlib.backends.cloud.digests import Digests
from mnistlib.datasets import NAMES
from mnistlib.errors import JobError

_INPUT = "data"  # name of the job's input
_DIGEST = "mnistlib.sha256"  # tag of a registered data set: digest of its content
_LONGEST_NAME = 255


class AzureMLData:
    """Data in the default datastore of a workspace, an ``azureml.core.Workspace`` that is opened at first use."""

    def __init__(self, open_workspace: Callable[[], Any], calls: Calls) -> None:
        self._open_workspace = open_workspace
        self._calls = calls
        # All trials of a sweep have the same files: they are read, sent and registered for the first only.
        self._digests = Digests()
        self._sent: dict[str, Any] = {}
        self._registered: dict[tuple[str, str], Any] = {}

    def bring(self, files: Mapping[str, Path], run_config: Any, *, register_as: str | None) -> str:
        """Provide files in one folder on the node of a job; send them unless they are already there.

        `run_config`, an ``azureml.core.RunConfiguration``, gets the data as an input. With `register_as`, the files are
        registered as a data set of that name. Return the placeholder of the folder in the job's command, which the node
        replaces.
        """
        digest = self._digests.of(files)
        folder = self._send(files, digest)
        if register_as is None:
            run_config.data_references = {_INPUT: folder.as_mount().to_config()}
            return f"$AZUREML_DATAREFERENCE_{_INPUT}"
        key = (register_as, digest)
        if key not in self._registered:
            self._registered[key] = self._calls.make(
                f"registering the data set {register_as}", lambda: self._register(register_as, digest, folder)
            )
        mounted = self._registered[key].as_named_input(_INPUT).as_mount()
        run_config.data = {_INPUT: mounted}
        return str(mounted.arg_val)

    def _send(self, files: Mapping[str, Path], digest: str) -> Any:
        """Send files to the default datastore, unless they are already there; return their folder."""
        if digest not in self._sent:
            datastore = self._calls.make("opening the default datastore", self._workspace.get_default_datastore)
            place = f"mnistlib/data/{digest[:32]}"

            def send(path: Path) -> None:
                target = {"relative_root": str(path.parent), "target_path": place}
                self._calls.make(
                    f"sending {path.name}",
                    lambda: datastore.upload_files([str(path)], **target, show_progress=False),
                )

            in_parallel(send, files.values())
            self._sent[digest] = datastore.path(place)
        return self._sent[digest]

    def _register(self, name: str, digest: str, folder: Any) -> Any:
        """Return the version of a registered data set with this content; register it if there is none."""
        from azureml.core import Dataset

        found = self._find(name, digest)
        if found is not None:
            return found
        return Dataset.File.from_files(folder, validate=False).register(
            self._workspace, name, tags={_DIGEST: digest}, create_new_version=True
        )

    def _find(self, name: str, digest: str) -> Any:
        """Return the newest version of a name with this content, or None."""
        from azureml.core import Dataset

        # Get the list first: if the name does not exist, a lookup by name logs pages of errors.
        listed = Dataset.get_all(self._workspace).registrations
        newest = next((known.version for known in listed if known.name == name), 0)
        versions = (Dataset.get_by_name(self._workspace, name, version=number) for number in range(newest, 0, -1))
        return next((known for known in versions if (known.tags or {}).get(_DIGEST) == digest), None)

    @property
    def _workspace(self) -> Any:
        return self._open_workspace()


def registered_name(dataset: str) -> str:
    """Return the registered name of a data set: that of Microsoft's tutorial, or one made from its folder's name.

    The workspace allows at most 255 letters, digits, ``-`` and ``_``, beginning with a letter or digit. Raise JobError
    if a folder's name has no allowed character.

    Examples
    --------
    >>> registered_name("fashion-mnist"), registered_name("/images/my digits")
    ('fashion_mnist_opendataset', 'my_digits')
    """
    if dataset in NAMES:
        return f"{dataset.replace('-', '_')}_opendataset"
    folder = Path(dataset).resolve().name
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", folder).strip("_-")[:_LONGEST_NAME]
    if not name:
        raise JobError(
            f"can't make the name of a registered data set from the folder name {folder!r}: it needs letters a to z or "
            "digits. Rename the folder, or send its files unregistered with data='upload'"
        )
    return name
