"""State of the emulator, shared by all resources."""

from dataclasses import dataclass
from pathlib import Path

from mnistlib.testing.azureml.data.blobs import Blobs
from mnistlib.testing.azureml.faults import Faults
from mnistlib.testing.azureml.names import Names
from mnistlib.testing.azureml.runs.records import RunRecords
from mnistlib.testing.azureml.store import Store
from mnistlib.testing.azureml.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class State:
    """The whole state, in one folder."""

    folder: Path
    names: Names
    tokens: Tokens
    store: Store
    blobs: Blobs
    runs: RunRecords
    faults: Faults

    @classmethod
    def kept_in(cls, folder: Path, faults: Faults) -> "State":
        """Open the state of `folder`, or create it."""
        folder.mkdir(parents=True, exist_ok=True)
        names = Names.kept_in(folder)
        tokens = Tokens(names.signing_key)
        store = Store(folder / "state.sqlite")
        blobs = Blobs(folder / "blobs", store, names, tokens)
        return cls(
            folder=folder,
            names=names,
            tokens=tokens,
            store=store,
            blobs=blobs,
            runs=RunRecords(store, blobs, names),
            faults=faults,
        )
