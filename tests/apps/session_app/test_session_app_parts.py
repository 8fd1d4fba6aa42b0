"""The parts that need no server: names, ranges, forms, settings, burning."""

import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_app.burn import burn
from session_app.form_file import BadForm, form_file
from session_app.names import NAME_MAX_BYTES, clean_name
from session_app.ranges import Unsatisfiable, asked_part
from session_app.settings import from_environment


@pytest.mark.parametrize(
    "name", ["a", "photo.jpg", "Überraschung (2).PDF", "日本.txt", "a b+c=d@e,f~g'h!i&[j]", "🙂.png"]
)
def test_good_names_are_kept(name: str) -> None:
    assert clean_name(name) == name


ESCAPES = ["", " ", " a", "a ", ".", "..", ".types", ".hidden", "a/b", "../a", "/etc/passwd", "a\\b", "a%2fb"]
SIGNS = ["a\0b", "a\nb", "a#1", "a?b", "a*b", "a:b", "a|b", "<a>", '"a"', "a\u202eb", "a\u200bb", "\ud800"]


@pytest.mark.parametrize("name", [*ESCAPES, *SIGNS, "a" * (NAME_MAX_BYTES + 1)])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        clean_name(name)


@given(st.text(max_size=300))
def test_whatever_passes_is_one_file_in_one_folder(name: str) -> None:
    try:
        clean = clean_name(name)
    except ValueError:
        return
    assert clean
    assert not clean.startswith(".")
    assert not set(clean) & set('/\\\0\n\r#?%:*"<>|')
    assert len(clean.encode()) <= NAME_MAX_BYTES
    assert clean_name(clean) == clean


def test_one_name_in_two_forms_is_one_name() -> None:
    assert clean_name("Cafe\u0301") == clean_name("Café")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 10)),
        ("bytes=2-5", (2, 6)),
        ("bytes=9-99", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=x-y", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_ranges(header: str | None, part: tuple[int, int] | None) -> None:
    assert asked_part(header, 10) == part


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_ranges_past_the_end(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        asked_part(header, size)


def form(name: str, content: bytes, *, before: bytes = b"") -> bytes:
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/x-test\r\n\r\n'
    return before + b"--XX\r\n" + head.encode() + content + b"\r\n--XX--\r\n"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


FIELD = b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nno file\r\n'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 100_000])
@pytest.mark.parametrize("content", [b"", b"hello", b"\r\n--X\r\n--X" * 50, bytes(range(256)) * 20])
async def test_a_form_gives_its_file_however_it_is_cut(size: int, content: bytes) -> None:
    file = await form_file("multipart/form-data; boundary=XX", pieces(form("a b.txt", content, before=FIELD), size))
    assert (file.name, file.content_type) == ("a b.txt", "text/x-test")
    assert b"".join([chunk async for chunk in file.chunks]) == content


async def test_a_form_that_breaks_off_is_an_error_not_a_short_file() -> None:
    file = await form_file("multipart/form-data; boundary=XX", pieces(form("a", b"x" * 1000)[:-100], 100))
    with pytest.raises(BadForm, match="broke off"):
        [chunk async for chunk in file.chunks]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=XX", FIELD + b"--XX--\r\n"),
        ("multipart/form-data; boundary=XX", b""),
        ("multipart/form-data; boundary=XX", b"no form at all"),
        ("multipart/form-data", form("a", b"x")),
        ("multipart/form-data; boundary=" + "X" * 5_000, form("a", b"x")),
        ("text/plain", b"x"),
        ("", b"x"),
    ],
)
async def test_other_bodies_are_no_forms(kind: str, body: bytes) -> None:
    with pytest.raises(BadForm):
        await form_file(kind, pieces(body, 10))


async def test_a_whole_path_in_a_form_is_its_last_part() -> None:
    file = await form_file("multipart/form-data; boundary=XX", pieces(form("C:/dir/../x.txt", b""), 10))
    assert file.name == "x.txt"


def test_burning_uses_the_threads_own_time() -> None:
    before = time.thread_time()
    took_s = burn(50)
    assert 0.05 <= time.thread_time() - before < 0.2
    assert took_s >= 0.04


def test_settings_name_what_is_missing_or_wrong() -> None:
    with pytest.raises(SystemExit, match="SESSIONS_URL, UPLOADS_URL"):
        from_environment({})
    good = {"SESSIONS_URL": "redis://x", "UPLOADS_URL": "file:///x"}
    with pytest.raises(SystemExit, match="MAX_UPLOAD_BYTES is '5GB'"):
        from_environment({**good, "MAX_UPLOAD_BYTES": "5GB"})
    settings = from_environment({**good, "FLYBALL_INSTANCE": "app-1", "SESSION_TTL_SECONDS": "60"})
    assert (settings.instance, settings.session_ttl_s, settings.upload_max_bytes) == ("app-1", 60, 5_000_000_000)
