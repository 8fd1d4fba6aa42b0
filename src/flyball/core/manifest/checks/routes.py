"""Rules of the listener: it must always be clear which of two rules wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flyball.core.manifest.complaints import Path, Unplaced
from flyball.core.manifest.schema import AnswerTable, FileTable, RouteTable
from flyball.core.manifest.schema.routing import ListenerTable
from flyball.core.model import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    path: Path
    owner: str
    condition: Condition
    priority: int | None
    weight: int | None = None


def route_complaints(file: FileTable) -> Iterator[Unplaced]:
    """Complaints about all routes, in file order."""
    rules = [*_routes(file), *_answers(file)]
    yield from _same_condition(rules)
    yield from _same_priority(rules)
    for index, answer in enumerate(file.routes or []):
        yield from _answer(("routes", index), answer)
    if file.listener is not None:
        yield from _certificate(file.listener)


def _certificate(listener: ListenerTable) -> Iterator[Unplaced]:
    tls, acme = listener.tls, listener.acme
    if acme is not None and not acme.agree:
        message = "must be true: the authority asks whether you accept its terms of service"
        yield Unplaced(path=("listener", "acme", "agree"), message=message)
    if acme is not None and (tls is None or not tls.issued):
        message = 'is used only with tls = { certificate = "acme" }'
        yield Unplaced(path=("listener", "acme"), message=message, on_key=True)
    if tls is None:
        return
    if tls.issued and tls.key is not None:
        message = "the authority's certificate brings its own key; remove this one"
        yield Unplaced(path=("listener", "tls", "key"), message=message, on_key=True)
    elif tls.issued and acme is None:
        hint = 'add [listener.acme] with domains = ["shop.example.com"] and agree = true'
        yield Unplaced(path=("listener", "tls", "certificate"), message="needs to know for whom", hint=hint)
    elif not tls.issued and (tls.certificate is None) != (tls.key is None):
        yield Unplaced(path=("listener", "tls"), message="certificate and key go together", on_key=True)


def _routes(file: FileTable) -> Iterator[_Rule]:
    for name, service in file.services.items():
        for index, route in enumerate(service.routes or []):
            yield _rule(("services", name, "routes", index), name, route, route.weight)


def _answers(file: FileTable) -> Iterator[_Rule]:
    for index, answer in enumerate(file.routes or []):
        yield _rule(("routes", index), "", answer, None)


def _rule(path: Path, owner: str, table: RouteTable | AnswerTable, weight: int | None) -> _Rule:
    return _Rule(path=path, owner=owner, condition=table.condition(), priority=table.priority, weight=weight)


def _same_condition(rules: list[_Rule]) -> Iterator[Unplaced]:
    groups: dict[Condition, list[_Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.condition, []).append(rule)
    for condition, group in groups.items():
        first = group[0]
        for rule in group[1:]:
            if rule.owner == first.owner or not rule.owner or not first.owner:
                yield Unplaced(
                    path=rule.path, message=f"route `{condition.path}` is given twice", also=(first.path[:3],)
                )
            elif rule.weight is None or first.weight is None:
                yield Unplaced(
                    path=rule.path,
                    message=f"route `{condition.path}` also belongs to `{first.owner}`",
                    hint='to share it, give both a weight: { path = "/", weight = 1 }',
                    also=(first.path[:3],),
                )
            elif rule.priority != first.priority:
                yield Unplaced(
                    path=rule.path, message=f"shares a route with `{first.owner}`, so it must have the same priority"
                )
        if len(group) > 1 and all(rule.weight == 0 for rule in group):
            yield Unplaced(path=first.path, message="every service on this route has weight 0")


def _same_priority(rules: list[_Rule]) -> Iterator[Unplaced]:
    seen: dict[int, _Rule] = {}
    for rule in rules:
        if rule.priority is None:
            continue
        other = seen.setdefault(rule.priority, rule)
        if other.condition != rule.condition:
            yield Unplaced(
                path=(*rule.path, "priority"),
                message=f"priority {rule.priority} is already used by route `{other.condition.path}`",
                also=(other.path[:3],),
            )


def _answer(path: Path, answer: AnswerTable) -> Iterator[Unplaced]:
    if answer.redirect is None:
        if answer.status is None:
            yield Unplaced(path=path, message="needs `redirect` or `status`", on_key=True)
        elif 300 <= answer.status <= 399:
            yield Unplaced(path=(*path, "status"), message=f"{answer.status} needs `redirect`")
        if len((answer.body or "").encode()) > 1024:
            yield Unplaced(path=(*path, "body"), message="is longer than 1024 bytes")
        return
    if answer.status not in {None, 301, 302}:
        yield Unplaced(path=(*path, "status"), message=f"of a redirect must be 301 or 302, found {answer.status}")
    for key in ("body", "content_type"):
        if getattr(answer, key) is not None:
            yield Unplaced(path=(*path, key), message="cannot be combined with `redirect`", on_key=True)
