"""The emulator's store of blobs answers as Azurite does, Microsoft's own emulator of Azure's storage."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
import trustme

from mnistlib.testing.azureml import AzureMLEmulator
from tests.testing.azureml.steps import wait_until

errors = pytest.importorskip("azure.core.exceptions")
storage = pytest.importorskip("azureml._vendor.azure_storage.blob")

# What azureml-core and what it brings warn of is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore")

CONTAINER = "azureml-blobstore"
#: The headers that clients read, and those of which only the presence can be the same.
COMPARED = ("content-length", "content-range", "content-type", "x-ms-blob-type", "x-ms-error-code", "x-ms-meta-by")
PRESENT = ("etag", "last-modified")


@pytest.fixture(scope="module")
def account(azureml_service: AzureMLEmulator) -> dict[str, str]:
    names = json.loads((azureml_service.folder / "names.json").read_text())
    return {"account_name": names["account"], "account_key": names["account_key"]}


@pytest.fixture(scope="module")
def azurite(account: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run Azurite for the same account; return its address and the file of its authority."""
    program = os.environ.get("AZURITE", "")
    if not os.access(program, os.X_OK):
        pytest.skip("AZURITE names no azurite-blob: the tox environment azurite has it, where there is npm")
    folder = tmp_path_factory.mktemp("azurite")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder / "data")]
    command += ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]
    command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    accounts = {"AZURITE_ACCOUNTS": f"{account['account_name']}:{account['account_key']}"}
    with subprocess.Popen(command, env=os.environ | accounts, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: process.poll() is not None or _listens(port))
            assert process.poll() is None, f"azurite has ended with status {process.returncode}"
            yield f"https://127.0.0.1:{port}/{account['account_name']}", str(folder / "ca.pem")
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def stores(account: dict[str, str], azurite: tuple[str, str]) -> dict[str, Any]:
    """Return the SDK's own client of each store, for a container that is there."""
    address, authority = azurite
    emulated = storage.BlobServiceClient(f"https://{account['account_name']}.blob.core.windows.net", account)
    real = storage.BlobServiceClient(address, account, connection_verify=authority)
    containers = {
        name: client.get_container_client(CONTAINER) for name, client in (("emulator", emulated), ("azurite", real))
    }
    containers["azurite"].create_container()
    return containers


def put(blob: Any, **options: Any) -> None:
    blob.upload_blob(b"0123456789", blob_type="BlockBlob", metadata={"by": "me"}, **options)


def put_blocks(blob: Any, **options: Any) -> None:
    blocks = [storage.BlobBlock(block_id=f"{number:04}") for number in range(3)]
    for block in blocks:
        blob.stage_block(block.id, block.id.encode(), **options)
    blob.commit_block_list([blocks[2], blocks[0]], **options)
    blob.download_blob(**options).readall()


def put_again(blob: Any, **options: Any) -> None:
    put(blob)
    blob.upload_blob(b"other", overwrite=False, **options)


def commit_unknown_block(blob: Any, **options: Any) -> None:
    blob.commit_block_list([storage.BlobBlock(block_id="none")], **options)


def look(blob: Any, **options: Any) -> None:
    put(blob)
    blob.get_blob_properties(**options)


def look_at_nothing(blob: Any, **options: Any) -> None:
    blob.get_blob_properties(**options)


def read(blob: Any, **options: Any) -> None:
    put(blob)
    assert blob.download_blob(**options).readall() == b"0123456789"


def read_part(blob: Any, **options: Any) -> None:
    put(blob)
    assert blob.download_blob(offset=2, length=3, **options).readall() == b"234"


def read_past_the_end(blob: Any, **options: Any) -> None:
    put(blob)
    blob.download_blob(offset=100, length=3, **options)


def read_empty(blob: Any, **options: Any) -> None:
    blob.upload_blob(b"")
    assert blob.download_blob(**options).readall() == b""


def read_nothing(blob: Any, **options: Any) -> None:
    blob.download_blob(**options)


def set_metadata(blob: Any, **options: Any) -> None:
    put(blob)
    blob.set_blob_metadata({"by": "you"}, **options)
    blob.get_blob_properties(**options)


def delete(blob: Any, **options: Any) -> None:
    put(blob)
    blob.delete_blob(**options)
    blob.get_blob_properties(**options)


def delete_nothing(blob: Any, **options: Any) -> None:
    blob.delete_blob(**options)


OPERATIONS: Mapping[str, Callable[..., None]] = {
    operation.__name__: operation
    for operation in (
        put,
        put_blocks,
        put_again,
        commit_unknown_block,
        look,
        look_at_nothing,
        read,
        read_part,
        read_past_the_end,
        read_empty,
        read_nothing,
        set_metadata,
        delete,
        delete_nothing,
    )
}


def answers(operation: Callable[..., None], blob: Any) -> list[dict[str, Any]]:
    """Return what the store answers to each request of an operation, as far as clients read it."""
    found = []

    def note(pipeline: Any) -> None:
        response = pipeline.http_response
        headers = {name.lower(): value for name, value in response.headers.items()}
        told = {name: headers.get(name) for name in COMPARED}
        if response.request.method == "PUT" or response.status_code >= 400:
            del told["content-length"], told["content-type"]  # of a body that no client reads
        found.append({"status": response.status_code, **told, **{name: name in headers for name in PRESENT}})

    with suppress(errors.AzureError):
        operation(blob, raw_response_hook=note)
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_store_answers_as_azurite_does(stores: dict[str, Any], name: str) -> None:
    blob = f"{uuid4().hex}/a b+ü%&=#.txt"  # a name that has to be quoted, and signed as quoted
    told = {place: answers(OPERATIONS[name], store.get_blob_client(blob)) for place, store in stores.items()}
    assert told["emulator"] == told["azurite"]
    assert told["emulator"]


@pytest.mark.parametrize("delimiter", [None, "/"])
def test_a_listing_is_as_azurites(stores: dict[str, Any], delimiter: str | None) -> None:
    prefix = uuid4().hex
    told = {}
    for place, store in stores.items():
        for name in ("a.txt", "b/c.txt", "b/d & e.txt", "f/g.txt"):
            put(store.get_blob_client(f"{prefix}/{name}"))
        bodies: list[bytes] = []
        options = {
            "name_starts_with": f"{prefix}/",
            "raw_response_hook": lambda pipeline, to=bodies: to.append(pipeline.http_response.body()),
        }
        list(store.walk_blobs(delimiter=delimiter, **options) if delimiter else store.list_blobs(**options))
        told[place] = [_fields(ET.fromstring(body)) for body in bodies]
    assert told["emulator"] == told["azurite"]
    assert len(told["emulator"][0]) == (3 if delimiter else 4)


def _fields(listing: ET.Element) -> list[tuple[str | None, ...]]:
    """Return of each entry what clients read."""
    fields = ("Name", "Properties/Content-Length", "Properties/Content-Type", "Properties/BlobType")
    return sorted(tuple(entry.findtext(field) for field in fields) for entry in listing.iterfind("Blobs/*"))


def test_both_refuse_another_key(stores: dict[str, Any], account: dict[str, str], azurite: tuple[str, str]) -> None:
    wrong = account | {"account_key": "d3Jvbmc="}
    for place in stores.values():
        verify = {"connection_verify": azurite[1]} if "127.0.0.1" in place.url else {}
        client = storage.BlobServiceClient(place.url.rpartition("/")[0], wrong, **verify)
        (told,) = answers(look_at_nothing, client.get_blob_client(CONTAINER, "any"))
        # Azurite says AuthorizationFailure, the service itself AuthenticationFailed.
        assert (told["status"], told["x-ms-error-code"][:4]) == (403, "Auth")
