"""`flyball check`: every error in the file (exit 2), and warnings about what may surprise, here or on AWS (exit 0)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from flyball import beside, parity
from flyball.aws import lint, rules, runtimes
from flyball.aws.rules import regions
from flyball.core.manifest import LintWarning, ManifestError, warnings
from flyball.core.manifest.places import Places
from flyball.core.model import Application

from . import floor, talk
from .files import find_file, load, read_text


def run(path: Path | None, *, json: bool = False) -> int:
    """Check the file. Raises ManifestError and FileError; with `json` the errors are data on stdout instead."""
    file = find_file(path)
    try:
        app = _startable(file)
    except ManifestError as wrong:
        if not json:
            raise
        talk.emit(_answer(file, errors=[asdict(complaint) for complaint in wrong.complaints]))
        return wrong.exit_code
    doubts = (*warnings(app), *beside.warnings(app, file.parent), *lint.warnings(app))
    found = (*doubts, *_elsewhere(app, told={warning.path for warning in doubts}))
    notes = runtimes.notes(app, file.parent)
    if notes:  # there is a source, so this may become a deployment
        notes = (*notes, ("aws", floor.sentence(app)))
    if json:
        noted: list[dict[str, object]] = [{"path": place, "message": said} for place, said in notes]
        more = {"notes": noted} if noted else {}
        talk.emit(_answer(file, warnings=[asdict(warning) for warning in found], **more))
        return 0
    for place, said in notes:
        talk.say(f"{place}: {said}", "dim")
    for warning in found:
        _say(warning)
    count = f", {len(found)} warning{'s' * (len(found) != 1)}" if found else ""
    services, stores = len(app.services), len(app.stores)
    talk.say(
        f"{file.name} is valid: {app.name}, {services} service{'s' * (services != 1)}, "
        f"{stores} store{'s' * (stores != 1)}{count}"
    )
    return 0


def _startable(file: Path) -> Application:
    app, text = load(file), read_text(file)
    places = Places.of(text)
    there = (*regions.errors(app), *runtimes.errors(app, file.parent))
    refused = (*beside.errors(app, file.parent, text), *map(places.complaint, there))
    if refused:
        raise ManifestError(refused, text, file.name)
    return app


def _elsewhere(app: Application, *, told: set[str]) -> tuple[LintWarning, ...]:
    """What a world cannot honour, and what AWS would refuse; `told` are the paths that already have a warning."""
    found = [LintWarning(path="here", message=line) for line in not_here(app)]
    if app.aws is not None:
        on_aws = (*parity.unhonoured(app, parity.world_on_aws(app)), *rules.refusals(app))
        found += [LintWarning(path="on AWS", message=line) for line in on_aws if line.partition(":")[0] not in told]
    return tuple(found)


def not_here(app: Application) -> list[str]:
    """Every value of the file that this machine does not honour, with the reason; `[aws]` is only about AWS."""
    return [line for line in parity.unhonoured(app, parity.World.LOCAL) if not line.startswith("aws = ")]


def _answer(file: Path, **found: list[dict[str, object]]) -> dict[str, object]:
    return {"file": str(file), "ok": "errors" not in found, "errors": [], "warnings": [], **found}


def _say(warning: LintWarning) -> None:
    talk.say(f"warning: {warning.path}: {warning.message}", "yellow")
    if warning.url:
        talk.say(f"         {warning.url}", "dim")
