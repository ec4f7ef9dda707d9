"""Names with versions: the documents of a kind of resource that is registered under a name and a version."""

from dataclasses import dataclass

from mnistlib.testing.azureml.answers import not_found
from mnistlib.testing.azureml.store import Document, Store


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Documents of one kind, each under a name and a version; both generations of the SDK read the same ones."""

    kind: str  # of the documents in the store; their version numbers are counted under KIND/NAME
    noun: str  # the kind in error messages
    separator: str = "/"  # between name and version in the store's keys

    def get(self, store: Store, name: str, version: str) -> Document | None:
        """Return one version, or None."""
        return store.get(self.kind, self._key(name, version))

    def find(self, store: Store, name: str, version: str) -> Document:
        """Return one version, or refuse an unknown one."""
        document = self.get(store, name, version)
        if document is None:
            raise not_found(f"The {self.noun} {name}:{version}")
        return document

    def put(self, store: Store, name: str, version: str, document: Document) -> Document:
        """Write one version, and count on from its number; return it."""
        if version.isdecimal():
            store.raise_number(f"{self.kind}/{name}", int(version))
        return store.put(self.kind, self._key(name, version), document)

    def delete(self, store: Store, name: str, version: str) -> bool:
        """Delete one version; return whether it existed. Its number is not given again."""
        return store.delete(self.kind, self._key(name, version))

    def of(self, store: Store, name: str) -> list[Document]:
        """Return the versions of a name, oldest first."""
        return store.all(self.kind, prefix=self._key(name, ""))

    def latest(self, store: Store) -> dict[str, Document]:
        """Return the latest version of each name, by name."""
        return {document["name"]: document for document in store.all(self.kind)}

    def next_version(self, store: Store, name: str) -> str:
        """Return a version number that this name has never had."""
        return str(store.next_number(f"{self.kind}/{name}"))

    def last_number(self, store: Store, name: str) -> int:
        """Return the highest version number of a name so far, 0 if there is none; deleted versions count."""
        return store.last_number(f"{self.kind}/{name}")

    def _key(self, name: str, version: str) -> str:
        return f"{name}{self.separator}{version}"
