"""Uploads: files in a folder or an S3 bucket behind one interface. Any copy serves what any copy stored.

A file appears whole or not at all: in a folder it is written beside its place and renamed, in S3 it is a multipart
upload that is completed at its end; when the body breaks off, both are undone.
S3 keeps the content type with the object. A folder cannot, so the type lies in a small file of its own, in `.types`.
It is written when the whole body has come and before the file takes its place, so whoever sees a new file sees its
type, and an upload that breaks off changes nothing. While a file is replaced by one of another type, the old content
may for a moment be served under the new type.
"""

import logging
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

CHUNK_BYTES = 5 * 1024**2
"""Bytes held and sent at once: S3's least for a part of a multipart upload."""

_CHECK_EVERY_S = 10.0
"""How long S3's health is believed: a question for each health check of ten copies would cost more than it is worth."""

_RETRY: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=5)}

_log = logging.getLogger(__name__)


class UploadsFailed(Exception):
    """The folder or bucket did not answer, or refused."""


class NotFound(Exception):
    """There is no file of this name."""


class Changed(Exception):
    """The file was replaced between two looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A stored file. `size` in bytes."""

    name: str
    size: int
    modified: datetime
    e_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file's bytes from `start` up to `stop`, and its type. `chunks` reads them once."""

    upload: Upload
    content_type: str
    start: int
    stop: int
    chunks: AsyncIterator[bytes]


class Uploads:
    """The files at `file:///FOLDER` or `s3://BUCKET?region=REGION[&endpoint=URL]`. Names are clean already.

    Raises ValueError for any other address. Methods raise UploadsFailed when the store does.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._folder: Path | None = None
        self._checked = -_CHECK_EVERY_S
        if parts.scheme == "file" and parts.path.strip("/"):
            self._folder = Path("/" + unquote(parts.path).strip("/"))
            self._store: Any = LocalStore(self._folder, mkdir=True)
        elif parts.scheme == "s3" and parts.netloc and "region" in options:
            self._store = _s3(parts.netloc, options)
        else:
            raise ValueError(f"{url!r} is no bucket: give file:///FOLDER or s3://BUCKET?region=REGION")

    async def put(self, name: str, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Store the body under the name. An error that `body` raises is raised here, and nothing is stored."""
        attributes = {"Content-Type": content_type} if self._folder is None else None
        body = body if self._folder is None else self._and_type(name, content_type, body)
        try:
            # Two chunks in flight at most, so that memory stays flat however large the file is.
            await obstore.put_async(
                self._store, name, body, attributes=attributes, chunk_size=CHUNK_BYTES, max_concurrency=2
            )
        except BaseError as error:
            raise UploadsFailed(str(error)) from error

    async def find(self, name: str) -> Upload:
        """What is known of a file without reading it. Raises NotFound."""
        try:
            return _upload(await obstore.head_async(self._store, name))
        except FileNotFoundError as error:
            raise NotFound from error
        except (BaseError, OSError) as error:
            raise UploadsFailed(str(error)) from error

    async def get(self, name: str, *, part: tuple[int, int] | None = None, e_tag: str | None = None) -> Content:
        """A file, or the bytes `part` (start, stop) of it. Raises NotFound, and Changed when it has another `e_tag`."""
        options: Any = {}
        if part is not None:
            options["range"] = part
        if e_tag is not None:
            options["if_match"] = e_tag
        try:
            found = await obstore.get_async(self._store, name, options=options)
            content_type = found.attributes.get("Content-Type") or await self._type_of(name)
        except FileNotFoundError as error:
            raise NotFound from error
        except obstore.exceptions.PreconditionError as error:
            raise Changed from error
        except (BaseError, OSError) as error:
            raise UploadsFailed(str(error)) from error
        start, stop = found.range
        return Content(
            upload=_upload(found.meta), content_type=content_type, start=start, stop=stop, chunks=_chunks(found)
        )

    async def page(self, *, limit: int, after: str) -> tuple[tuple[Upload, ...], str | None]:
        """At most `limit` files by name, after the name `after`, and the last name when there are more."""
        found: list[Upload] = []
        try:
            async for batch in obstore.list(self._store, offset=after or None, chunk_size=1000):
                found += [_upload(meta) for meta in batch if "/" not in meta["path"] and meta["path"] > after]
                # S3 lists in order of names, a folder does not.
                if self._folder is None and len(found) > limit:
                    break
        except (BaseError, OSError) as error:
            raise UploadsFailed(str(error)) from error
        found.sort(key=lambda upload: upload.name)
        return tuple(found[:limit]), found[limit - 1].name if len(found) > limit else None

    async def check(self) -> None:
        """Raises UploadsFailed unless the store answers."""
        if self._folder is not None:
            if not (self._folder.is_dir() and os.access(self._folder, os.W_OK)):
                raise UploadsFailed(f"{self._folder} is no folder that can be written")
            return
        if time.monotonic() - self._checked < _CHECK_EVERY_S:
            return
        try:
            await obstore.get_async(self._store, ".health")
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise UploadsFailed("there is no such bucket") from error
        except (BaseError, OSError) as error:
            raise UploadsFailed(str(error)) from error
        self._checked = time.monotonic()

    async def _and_type(self, name: str, content_type: str, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in body:
            yield chunk
        await obstore.put_async(self._store, f".types/{name}", content_type.encode())

    async def _type_of(self, name: str) -> str:
        if self._folder is not None:
            try:
                noted = await obstore.get_async(self._store, f".types/{name}")
                return bytes(await noted.bytes_async()).decode("latin-1")
            except FileNotFoundError:
                _log.warning("no type is noted for %s", name)
        return "application/octet-stream"


def _s3(bucket: str, options: dict[str, str]) -> Any:
    """The bucket; credentials come from the environment, or the instance's or task's role."""
    endpoint = options.get("endpoint")
    # The timeout covers a whole answer, however slowly our own client reads it.
    client = {"timeout": "15m", "connect_timeout": "2s", "allow_http": bool(endpoint and endpoint.startswith("http:"))}
    place = {"endpoint": endpoint} if endpoint else {}
    return S3Store(bucket, region=options["region"], client_options=client, retry_config=_RETRY, **place)  # type: ignore[arg-type, unused-ignore]


def _upload(meta: Any) -> Upload:
    return Upload(name=meta["path"], size=meta["size"], modified=meta["last_modified"], e_tag=meta["e_tag"] or "")


async def _chunks(found: Any) -> AsyncIterator[bytes]:
    async for chunk in found.stream(min_chunk_size=256 * 1024):
        yield bytes(chunk)
