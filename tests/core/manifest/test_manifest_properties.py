"""Whatever the text is: an application, or complaints that stand in it."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import toml_text
from file_tables import tables
from flyball.core.manifest import ManifestError, parse, render, resolved, warnings
from flyball.core.manifest.schema import FileTable
from manifests import EXAMPLES, FORUM

WORDS = sorted({field.alias or name for _, table in tables(FileTable) for name, field in table.model_fields.items()})
VALUES = st.sampled_from(
    [
        "30s",
        "-1s",
        "512MB",
        "1%",
        "cpu > 50%",
        "cpu < 50%",
        "/",
        "/a",
        "web",
        "redis",
        "table",
        "serve",
        "100/1m",
        "",
        "'",
    ]
)
numbers = st.integers(-5, 5) | st.integers() | st.floats(-10, 300)
scalars = st.booleans() | numbers | VALUES | st.text(max_size=8)
keys = st.sampled_from([*WORDS, "web", "api"]) | st.text(max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
services = st.dictionaries(st.sampled_from(["web", "api"]), st.dictionaries(keys, values, max_size=5), max_size=2)
top = {word: values for word in FileTable.model_fields if word not in {"name", "services"}}
documents = st.fixed_dictionaries({"name": st.just("app"), "services": services}, optional=top)


def told(text: str) -> None:
    """Parse, and hold the outcome against what is promised of it."""
    wrong: ManifestError | None = None
    try:
        app = parse(text)
        warnings(app)
        resolved(app)
    except ManifestError as raised:
        wrong = raised
    if wrong is None:
        return
    assert wrong.complaints
    lines = text.replace("\r\n", "\n").split("\n")
    for complaint in wrong.complaints:
        assert complaint.message
        if complaint.line is not None:
            assert complaint.column is not None
            assert 1 <= complaint.line <= len(lines)
            assert 1 <= complaint.column <= len(lines[complaint.line - 1]) + 1
    assert render(wrong.complaints, text, "flyball.toml") == str(wrong)


@given(st.text())
def test_any_text(text: str):
    told(text)


@given(st.data())
def test_an_example_with_a_piece_cut_out_or_put_in(data: Any):
    text = EXAMPLES[data.draw(st.sampled_from(sorted(EXAMPLES)))]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    told(text[:start] + data.draw(st.text(max_size=5)) + text[end:])


@settings(max_examples=40)
@given(documents)
def test_any_document(document: dict[str, Any]):
    told(toml_text.dump(document))


@given(st.permutations(range(3)))
def test_the_order_of_services_is_that_of_the_file(order: list[int]):
    head, *parts = FORUM.split("[services.")
    last, rest = parts[-1].split("[stores.")
    blocks = [*parts[:-1], last]
    text = head + "".join("[services." + blocks[index] for index in order) + "[stores." + rest
    names = ["posts", "threads", "users"]
    assert [service.name for service in parse(text).services] == [names[index] for index in order]
