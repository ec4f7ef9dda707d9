"""Blob storage of Azure: the requests that the SDKs send."""

import hmac
import shutil
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mnistlib.files import publish
from mnistlib.testing.azureml.data.shared_key import shared_key_signature
from mnistlib.testing.azureml.resource import Resource, missing, route
from mnistlib.testing.azureml.store import Document

_CHUNK = 1 << 20
_METADATA = "x-ms-meta-"


class Storage(Resource):
    """The workspace's storage account."""

    base = "{account}.blob.core.windows.net"
    not_covered = (
        missing("GET", "/", by="v1, v2", purpose="List containers."),
        missing("DELETE", "/{container}", by="v1, v2", purpose="Delete a container."),
    )

    @route("GET PUT", "/{container}", by="v1, v2")
    async def container(self, request: Request) -> Response:
        """List a container, or confirm that it exists: every container does."""
        if not self._is_signed(request, request.path_params["container"]):
            return _error(403, "AuthenticationFailed")
        if request.method == "GET" and request.query_params.get("comp") == "list":
            return await run_in_threadpool(self._list, request)
        return Response(status_code=201 if request.method == "PUT" else 200)

    @route(
        "GET PUT DELETE",
        "/{container}/{name:path}",
        by="v1, v2",
        unsupported="parts of a blob (comp=) other than block, blocklist, metadata",
    )
    async def blob(self, request: Request) -> Response:
        """Read or write one blob."""
        container, name = request.path_params["container"], request.path_params["name"]
        if not self._is_signed(request, f"{container}/{name}"):
            return _error(403, "AuthenticationFailed")
        if request.method == "PUT":
            return await self._put(request, container, name)
        blob = self._blobs.get(container, name)
        if blob is None:
            return _error(404, "BlobNotFound")
        if request.method == "DELETE":
            self._blobs.delete(container, name)
            return Response(status_code=202)
        if request.method == "HEAD":
            return Response(headers=_headers(blob) | {"Content-Length": str(blob["size"])})
        return _read(request, self._blobs.file(container, name), blob)

    def _is_signed(self, request: Request, path: str) -> bool:
        """Return whether a request is signed: with the account's key, or by an address of a blob or a container."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if scheme == "SharedKey":
            account, _, signature = credential.partition(":")
            expected = shared_key_signature(
                self._names.account_key,
                account,
                method=request.method,
                path=request.scope["quoted_path"],
                query=request.query_params.multi_items(),
                headers=request.headers,
            )
            return account == self._names.account and hmac.compare_digest(expected.encode(), signature.encode())
        signature, expires = request.query_params.get("sig", ""), request.query_params.get("se", "")
        if not expires.isdigit() or int(expires) < time.time():
            return False
        if request.query_params.get("sr") == "c":
            path = request.path_params["container"]
        return hmac.compare_digest(
            self._state.tokens.sign_blob(path, expires=int(expires)).encode(), signature.encode()
        )

    def _list(self, request: Request) -> Response:
        query = request.query_params
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        blobs, folders = [], dict[str, None]()
        for blob in self._blobs.listed(request.path_params["container"], prefix):
            head, found, _ = blob["name"][len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                folders[prefix + head + delimiter] = None
            else:
                blobs.append(_xml_of(blob))
        folders_xml = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in folders)
        return Response(
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://{self._names.blob_host}/"'
            f' ContainerName="{escape(request.path_params["container"])}"><Prefix>{escape(prefix)}</Prefix>'
            f"<Blobs>{''.join(blobs)}{folders_xml}</Blobs><NextMarker /></EnumerationResults>",
            media_type="application/xml",
        )

    async def _put(self, request: Request, container: str, name: str) -> Response:
        part = request.query_params.get("comp")
        only_new = request.headers.get("if-none-match") == "*"
        metadata = {key[len(_METADATA) :]: value for key, value in request.headers.items() if key.startswith(_METADATA)}
        if part == "metadata":
            return self._put_metadata(container, name, metadata)
        if only_new and part in (None, "blocklist") and self._blobs.get(container, name):
            return _error(409, "BlobAlreadyExists")  # before the whole body has been sent
        staged = self._blobs.staged(container, name)
        whole = self._blobs.incoming()
        if part == "block":
            staged.mkdir(parents=True, exist_ok=True)
            await _receive(request, staged / request.query_params["blockid"].replace("/", "_"))
            return Response(status_code=201)
        if part == "blocklist":
            listed = ET.fromstring(await request.body())  # noqa: S314 - a test's own client wrote it
            blocks = [staged / str(block.text).replace("/", "_") for block in listed]
            if not all(block.exists() for block in blocks):
                return _error(400, "InvalidBlockList")
            await run_in_threadpool(_join, blocks, whole)
            shutil.rmtree(staged, ignore_errors=True)
        elif part is None:
            await _receive(request, whole)
        else:
            return _error(501, "NotImplemented")
        content_type = request.headers.get("x-ms-blob-content-type", "application/octet-stream")
        blob = self._blobs.commit(
            whole, container, name, content_type=content_type, metadata=metadata, only_new=only_new
        )
        return Response(status_code=201, headers=_state_headers(blob)) if blob else _error(409, "BlobAlreadyExists")

    def _put_metadata(self, container: str, name: str, metadata: dict[str, str]) -> Response:
        blob = self._blobs.get(container, name)
        if blob is None:
            return _error(404, "BlobNotFound")
        changed = self._blobs.note(container, name, content_type=blob["content_type"], metadata=metadata)
        return Response(headers=_state_headers(changed))


async def _receive(request: Request, target: Path) -> None:
    """Write a request's body to a file that gets its name only when the body is complete."""
    with publish(target) as file:
        async for chunk in request.stream():
            file.write(chunk)


def _join(blocks: list[Path], target: Path) -> None:
    with publish(target) as file:
        for block in blocks:
            with block.open("rb") as content:
                shutil.copyfileobj(content, file, _CHUNK)


def _read(request: Request, file: Path, blob: Document) -> Response:
    size = blob["size"]
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    if asked is None:
        return StreamingResponse(_stream(file, 0, size), headers=_headers(blob) | {"Content-Length": str(size)})
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last) if last else size - 1, size - 1)
    if start >= size:
        return _error(416, "InvalidRange", headers={"Content-Range": f"bytes */{size}"})
    headers = _headers(blob) | {
        "Content-Length": str(end - start + 1),
        "Content-Range": f"bytes {start}-{end}/{size}",
    }
    return StreamingResponse(_stream(file, start, end + 1), 206, headers=headers)


async def _stream(file: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes from `start` up to `end`, and no more even if the file has grown."""
    async with await anyio.open_file(file, "rb") as content:
        await content.seek(start)
        while start < end and (chunk := await content.read(min(_CHUNK, end - start))):
            start += len(chunk)
            yield chunk


def _state_headers(blob: Document) -> dict[str, str]:
    """Return the headers that identify the state of a blob."""
    return {
        "ETag": blob["etag"],
        "Last-Modified": formatdate(blob["modified"], usegmt=True),
        "x-ms-request-server-encrypted": "true",
        "x-ms-version": "2021-08-06",
    }


def _headers(blob: Document) -> dict[str, str]:
    return _state_headers(blob) | {
        "Content-Type": blob["content_type"],
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        **{f"{_METADATA}{key}": value for key, value in blob["metadata"].items()},
    }


def _xml_of(blob: Document) -> str:
    metadata = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob["metadata"].items())
    return (
        f"<Blob><Name>{escape(blob['name'])}</Name><Properties>"
        f"<Last-Modified>{formatdate(blob['modified'], usegmt=True)}</Last-Modified><Etag>{escape(blob['etag'])}</Etag>"
        f"<Content-Length>{blob['size']}</Content-Length><Content-Type>{escape(blob['content_type'])}</Content-Type>"
        f"<BlobType>BlockBlob</BlobType></Properties><Metadata>{metadata}</Metadata></Blob>"
    )


def _error(status: int, code: str, *, headers: dict[str, str] | None = None) -> Response:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(body, status, headers={"x-ms-error-code": code} | (headers or {}), media_type="application/xml")
