"""What was found as one page with a plot, which needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import log10

from .search import SPARE, Candidate, Found
from .space import removed_or

WIDTH, HEIGHT, LEFT, BELOW = 860, 380, 70, 46
SMALLEST = 1e-5
"""The share of bad requests at the plot's bottom: none is drawn there too."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; } td, th { padding: .15em 1.2em .15em 0; text-align: left; vertical-align: top; }
svg { display: block; width: 100%; height: auto; margin: 1em 0; } text { font-size: 12px; fill: #555; }
code { font-size: .92em; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } text { fill: #aaa; } }
"""

_LEGEND = (
    "Instance-hours run to the right, bad requests upwards; the lower left is better. The dashed line is the SLO,"
    " the black ring is the file as it is, the green ring is the chosen setting."
)
_HEADERS = ("", "instance-hours", "US dollars", "bad requests", "p99", "setting")


def page(found: Found, name: str) -> str:
    """The whole document."""
    body = [
        f"<h1>{escape(name)}: {escape(found.slo.text)}</h1>",
        f"<p>{escape(verdict(found))}</p>",
        _plot(found),
        f"<p>{_LEGEND}</p>",
        *_table(found),
    ]
    head = f'<meta charset="utf-8"><title>{escape(name)}, tuned</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def verdict(found: Found) -> str:
    """The result in a sentence."""
    today = found.today.shown
    begun = f"{found.tried} settings were tried."
    if found.chosen is None:
        near = found.nearest.shown
        return (
            f"{begun} None holds {found.slo.text}; the nearest one has {near.worst:.2%} bad requests"
            f" with {near.instance_hours:.3g} instance-hours."
        )
    best = found.chosen.shown
    if found.chosen.setting == ():
        return (
            f"{begun} No setting that holds {found.slo.text} is more than {SPARE:.1%} cheaper than the file as it is:"
            f" {best.instance_hours:.3g} instance-hours with {best.worst:.2%} bad requests."
        )
    return (
        f"{begun} {described(found.chosen)} needs {best.instance_hours:.3g} instance-hours with {best.worst:.2%} bad"
        f" requests; today it is {today.instance_hours:.3g} with {today.worst:.2%}."
    )


def described(candidate: Candidate) -> str:
    """The lines of a setting in one."""
    return ", ".join(f"{key} = {removed_or(value)}" for key, value in candidate.setting) or "The file as it is"


def marked(candidate: Candidate, found: Found) -> str:
    """What is special about a setting; empty for most."""
    best = "chosen" if found.chosen else "nearest"
    names = {"today": candidate.setting == (), best: candidate is (found.chosen or found.nearest)}
    return ", ".join(name for name, so in names.items() if so)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a value is in the plot. `low` and `high` are its edges in instance-hours."""

    low: float
    high: float

    def across(self, hours: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * (hours - self.low) / (self.high - self.low)

    def up(self, share: float) -> float:
        exponent = 1 - log10(max(share, SMALLEST)) / log10(SMALLEST)
        return (HEIGHT - BELOW) - (HEIGHT - BELOW - 16) * exponent

    def place(self, one: Candidate) -> tuple[float, float]:
        return self.across(one.shown.instance_hours), self.up(one.shown.worst)


def _plot(found: Found) -> str:
    hours = [one.shown.instance_hours for one in found.candidates]
    margin = (max(hours) - min(hours)) * 0.08 or max(hours) * 0.1 or 1.0
    frame = _Frame(max(0.0, min(hours) - margin), max(hours) + margin)
    line = " ".join("{:.1f},{:.1f}".format(*frame.place(one)) for one in found.front)
    parts = [*_axes(frame, found), f'<polyline points="{line}" fill="none" stroke="#1668b8" stroke-width="1.5"/>']
    for one in found.candidates:
        parts.append(_dot(frame, one, described(one), 'r="5" fill="#1668b8"'))
        if one.setting == ():
            parts.append(_dot(frame, one, "today", 'r="10" fill="none" stroke="currentColor" stroke-width="2"'))
        if one is found.chosen:
            parts.append(_dot(frame, one, "chosen", 'r="13" fill="none" stroke="#2a8a4a" stroke-width="2.5"'))
    about = 'role="img" aria-label="Bad requests over instance-hours"'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" {about}>{"".join(parts)}</svg>'


def _dot(frame: _Frame, one: Candidate, title: str, looks: str) -> str:
    x, y = frame.place(one)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" {looks}><title>{escape(title)}</title></circle>'


def _axes(frame: _Frame, found: Found) -> Iterator[str]:
    floor, allowed = HEIGHT - BELOW, frame.up(found.slo.allowed)
    yield f'<line x1="{LEFT}" y1="{floor}" x2="{WIDTH}" y2="{floor}" stroke="#999"/>'
    dashed = 'stroke="#b03030" stroke-dasharray="5 4"'
    yield f'<line x1="{LEFT}" y1="{allowed:.1f}" x2="{WIDTH}" y2="{allowed:.1f}" {dashed}/>'
    for share in (1.0, 0.1, 0.01, 0.001, 0.0001):
        yield f'<text x="{LEFT - 8}" y="{frame.up(share) + 4:.0f}" text-anchor="end">{share * 100:g} %</text>'
    for part in range(5):
        value = frame.low + (frame.high - frame.low) * part / 4
        yield f'<text x="{frame.across(value):.0f}" y="{floor + 18}" text-anchor="middle">{value:.3g}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">instance-hours</text>'


def _table(found: Found) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th>{header}</th>" for header in _HEADERS) + "</tr>"
    for one in sorted(found.candidates, key=lambda candidate: candidate.shown.instance_hours):
        score = one.shown
        mark = marked(one, found) or ("front" if one in found.front else "")
        usd = "-" if score.cost_usd is None else f"{score.cost_usd:.4g}"
        p99 = "-" if score.p99_ms is None else f"{score.p99_ms:.4g} ms"
        lines = "<br>".join(f"<code>{escape(key)} = {escape(removed_or(value))}</code>" for key, value in one.setting)
        yield (
            f"<tr><td>{mark}</td><td>{score.instance_hours:.4g}</td><td>{usd}</td>"
            f"<td>{score.bad:.0f} of {score.requests:.0f}</td><td>{p99}</td><td>{lines or 'as it is'}</td></tr>"
        )
    yield "</table>"
