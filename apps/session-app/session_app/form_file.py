"""The file in a browser's upload form, as a stream: it is stored while it arrives, and never lies here as a whole."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header


class BadForm(Exception):
    """The body is not a form with a file in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """The first file of the form. `chunks` gives its bytes once, and raises BadForm when the form breaks off."""

    name: str
    content_type: str
    chunks: AsyncIterator[bytes]


class _Parts:
    """What the parser found in the last piece of the body."""

    def __init__(self) -> None:
        self.headers: dict[str, str] | None = None
        self.data: list[bytes] = []
        self.ended = False
        self._name, self._value = b"", b""
        self._collected: dict[str, str] = {}

    def on_part_begin(self) -> None:
        self._collected = {}

    def on_header_begin(self) -> None:
        self._name, self._value = b"", b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._collected[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")

    def on_headers_finished(self) -> None:
        if self.headers is None and "filename" in _disposition(self._collected):
            self.headers = self._collected

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._collected is self.headers:
            self.data.append(data[start:end])

    def on_part_end(self) -> None:
        self.ended = self.ended or self._collected is self.headers


def _disposition(headers: dict[str, str]) -> dict[str, str]:
    _, options = parse_options_header(headers.get("content-disposition", "").encode())
    return {name.decode(): value.decode("utf-8", "replace") for name, value in options.items()}


async def form_file(content_type: str, body: AsyncIterator[bytes]) -> FormFile:
    """The first file in a `multipart/form-data` body. Raises BadForm."""
    kind, options = parse_options_header(content_type.encode())
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise BadForm("Send the file as multipart/form-data, or its bytes with PUT.")
    parts = _Parts()
    parser = _parser(boundary, parts)
    async for piece in body:
        _write(parser, piece)
        if parts.headers is not None:
            break
    if parts.headers is None:
        raise BadForm("There is no file in this form.")
    return FormFile(
        # Some browsers send the whole path.
        name=_disposition(parts.headers)["filename"].replace("\\", "/").rpartition("/")[2],
        content_type=parts.headers.get("content-type", ""),
        chunks=_rest(parser, parts, body),
    )


async def _rest(parser: MultipartParser, parts: _Parts, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        found = b"".join(parts.data)
        parts.data.clear()
        if found:
            yield found
        if parts.ended:
            return
        piece = await anext(body, None)
        if piece is None:
            raise BadForm("The form broke off in the middle of the file.")
        _write(parser, piece)


def _parser(boundary: bytes, parts: _Parts) -> MultipartParser:
    callbacks = {name: getattr(parts, name) for name in dir(parts) if name.startswith("on_")}
    try:
        return MultipartParser(boundary, callbacks)  # type: ignore[arg-type, unused-ignore]
    except FormParserError as error:
        raise BadForm(f"The form cannot be read: {error}") from error


def _write(parser: MultipartParser, piece: bytes) -> None:
    try:
        parser.write(piece)
    except FormParserError as error:
        raise BadForm(f"The form cannot be read: {error}") from error
