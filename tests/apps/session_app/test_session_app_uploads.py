"""One contract of uploads, two stores."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from session_app.uploads import CHUNK_BYTES, Changed, NotFound, Uploads, UploadsFailed


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.live)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"file://{tmp_path}/uploads" if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def uploads(url: str) -> Uploads:
    return Uploads(url)


async def body(*chunks: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)
    if then is not None:
        raise then


async def content(uploads: Uploads, name: str, part: tuple[int, int] | None = None) -> bytes:
    found = await uploads.get(name, part=part)
    return b"".join([chunk async for chunk in found.chunks])


@pytest.mark.parametrize("chunks", [(), (b"hello", b" world"), (b"x" * 1_000_000,) * 12])
async def test_what_is_put_is_got_whole_with_its_type(uploads: Uploads, chunks: tuple[bytes, ...]) -> None:
    await uploads.put("a ü.bin", "application/x-test; a=b", body(*chunks))
    found = await uploads.get("a ü.bin")
    assert b"".join([chunk async for chunk in found.chunks]) == b"".join(chunks)
    assert found.content_type == "application/x-test; a=b"
    known = await uploads.find("a ü.bin")
    assert (known.name, known.size) == ("a ü.bin", sum(map(len, chunks)))
    assert known == found.upload


async def test_another_copy_reads_what_this_one_stored(uploads: Uploads, url: str) -> None:
    await uploads.put("a", "text/plain", body(b"one"))
    assert await content(Uploads(url), "a") == b"one"


async def test_a_part(uploads: Uploads) -> None:
    await uploads.put("a", "text/plain", body(b"0123456789"))
    assert await content(uploads, "a", (3, 6)) == b"345"


async def test_a_missing_file(uploads: Uploads) -> None:
    with pytest.raises(NotFound):
        await uploads.find("a")
    with pytest.raises(NotFound):
        await uploads.get("a")


async def test_replacing_a_file(uploads: Uploads) -> None:
    await uploads.put("a", "text/plain", body(b"one"))
    old = await uploads.find("a")
    await uploads.put("a", "text/html", body(b"second"))
    assert await content(uploads, "a") == b"second"
    assert (await uploads.get("a")).content_type == "text/html"
    with pytest.raises(Changed):
        await uploads.get("a", e_tag=old.e_tag)


@pytest.mark.parametrize("size", [10, 2 * CHUNK_BYTES + 10])
async def test_an_upload_that_breaks_off_leaves_nothing(uploads: Uploads, size: int) -> None:
    with pytest.raises(KeyError):
        await uploads.put("a", "text/html", body(b"x" * size, then=KeyError("gone")))
    with pytest.raises(NotFound):
        await uploads.find("a")
    await uploads.put("a", "text/plain", body(b"old"))
    with pytest.raises(KeyError):
        await uploads.put("a", "text/html", body(b"x" * size, then=KeyError("gone")))
    found = await uploads.get("a")
    assert found.content_type == "text/plain"
    assert await content(uploads, "a") == b"old"


async def test_an_upload_is_not_seen_before_it_is_whole(uploads: Uploads) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * (CHUNK_BYTES + 1)
        begun.set()
        await go.wait()
        yield b"y"

    putting = asyncio.create_task(uploads.put("a", "text/plain", slow()))
    await asyncio.wait_for(begun.wait(), 60)
    with pytest.raises(NotFound):
        await uploads.find("a")
    assert await uploads.page(limit=10, after="") == ((), None)
    go.set()
    await putting
    assert (await uploads.find("a")).size == CHUNK_BYTES + 2


async def test_pages_by_name(uploads: Uploads) -> None:
    names = [f"{number:02}.txt" for number in range(25)]
    for name in reversed(names):
        await uploads.put(name, "text/plain", body(b"x"))
    seen, after = [], ""
    while True:
        found, more = await uploads.page(limit=10, after=after)
        seen.append([upload.name for upload in found])
        if more is None:
            break
        after = more
    assert seen == [names[:10], names[10:20], names[20:]]


async def test_health(uploads: Uploads) -> None:
    await uploads.check()
    await uploads.check()


@pytest.mark.live
async def test_a_missing_bucket_or_folder_fails_the_check(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(UploadsFailed, match="no such bucket"):
        await Uploads(bucket.replace("s3://", "s3://missing-")).check()
    uploads = Uploads(f"file://{tmp_path}/folder")
    (tmp_path / "folder").rmdir()
    with pytest.raises(UploadsFailed, match="no folder that can be written"):
        await uploads.check()


@pytest.mark.parametrize("url", ["", "uploads", "file://", "file:///", "s3://bucket", "s3://?region=x", "gs://bucket"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no bucket"):
        Uploads(url)


async def test_a_file_without_a_note_is_just_bytes(tmp_path: Path) -> None:
    uploads = Uploads(f"file://{tmp_path}")
    (tmp_path / "a.png").write_bytes(b"x")
    assert (await uploads.get("a.png")).content_type == "application/octet-stream"
