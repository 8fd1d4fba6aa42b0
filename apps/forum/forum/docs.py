"""The OpenAPI document as one readable page: no scripts, nothing fetched from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

import msgspec

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 50rem; margin: 0 auto; padding: 1rem; }
h2 { border-top: 1px solid; padding-top: 1rem; font-size: 1.1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid; border-radius: 0.4rem; }
th { text-align: left; padding-right: 1.5rem; vertical-align: top; font-weight: 600; }
"""
HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
    "x-content-type-options": "nosniff",
}
_Json = dict[str, Any]


def page(document: _Json) -> str:
    """HTML for an OpenAPI document of this forum."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>",
        f"<main><h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>",
        "<p>For programs: <a href='openapi.json'>openapi.json</a>.</p>",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                parts.append(_operation(method.upper(), path, operation))
    parts.append("<h2>Bodies</h2>")
    for name, schema in document["components"]["schemas"].items():
        text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
        parts.append(f"<h3 id='{escape(name)}'>{escape(name)}</h3><pre tabindex=0>{escape(text)}</pre>")
    return "".join(parts) + "</main></html>"


def _operation(method: str, path: str, operation: _Json) -> str:
    rows = [
        _row(parameter["name"], f"{parameter['in']}. {parameter.get('description', '')}")
        for parameter in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        rows.append(_row("body", _shape(operation["requestBody"])))
    rows += [
        _row(status, f"{answer['description']} {_shape(answer)}") for status, answer in operation["responses"].items()
    ]
    heading = f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(operation['summary'])}.</p>"
    return f"{heading}<table>{''.join(rows)}</table>"


def _row(name: str, text: str) -> str:
    return f"<tr><th scope=row><code>{escape(name)}</code></th><td>{escape(text)}</td></tr>"


def _shape(part: _Json) -> str:
    for content in part.get("content", {}).values():
        return str(content["schema"].get("$ref", "").rpartition("/")[2])
    return ""
