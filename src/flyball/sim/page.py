"""The report as one page with charts, which needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from .report import SHOWN, clock, report_lines, summary
from .result import Result

WIDTH, HEIGHT, LEFT, BELOW = 920, 150, 60, 22
Line = tuple[str, str, Sequence[float | None]]
"""Name, colour, values."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; } td, th { padding: .15em 1em .15em 0; text-align: left; vertical-align: top; }
svg { display: block; width: 100%; height: auto; margin: .2em 0 1.2em; } text { font-size: 11px; fill: #666; }
h2 { font-size: 1.1em; margin: 1.4em 0 0; } pre { overflow-x: auto; } .key { margin-right: 1.2em; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } text { fill: #aaa; } }
"""


def page(result: Result, name: str, about: Mapping[str, str], before: Result | None = None) -> str:
    """The whole document."""
    rows = result.timeline()
    marks = [at for at, reason in result.events if reason.kind in SHOWN]

    def of(key: str) -> list[float | None]:
        return [row[key] for row in rows]

    charts = [
        ("Requests per second", [("came", "#1668b8", of("rps"))]),
        ("Instances", [("desired", "#b85c16", of("desired")), ("in service", "#2a8a4a", of("in_service"))]),
        (
            "Latency, ms",
            [("p50", "#2a8a4a", of("p50_ms")), ("p95", "#b8860b", of("p95_ms")), ("p99", "#b03030", of("p99_ms"))],
        ),
        (
            "Failed, and waiting in the balancer",
            [("failed", "#b03030", of("failed")), ("waiting", "#777", of("waiting"))],
        ),
    ]
    body = [f"<h1>{escape(name)}, simulated</h1>", *_summary(result, before)]
    for title, lines in charts:
        body += [f"<h2>{escape(title)}</h2>", *_keys(lines), _chart(lines, result.duration_s, marks)]
    body += ["<h2>Decisions</h2>", *_decisions(result)]
    text = "\n".join(report_lines(result, name, about, before))
    body += ["<h2>As on the terminal</h2>", f"<pre>{escape(text)}</pre>"]
    head = f'<meta charset="utf-8"><title>{escape(name)}, simulated</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _summary(result: Result, before: Result | None) -> Iterator[str]:
    yield "<table>"
    if before is not None:
        yield "<tr><th></th><th>as it is</th><th>changed</th></tr>"
    usual = {} if before is None else summary(before)
    for what, value in summary(result).items():
        beside = f"<td>{escape(usual[what])}</td>" if usual else ""
        yield f"<tr><th>{escape(what)}</th>{beside}<td>{escape(value)}</td></tr>"
    yield "</table>"


def _keys(lines: Sequence[Line]) -> Iterator[str]:
    yield "".join(
        f'<span class="key"><span style="color:{colour}">&#9632;</span> {name}</span>' for name, colour, _ in lines
    )


def _chart(lines: Sequence[Line], duration_s: float, marks: Sequence[float]) -> str:
    """Lines over the traffic's time; a dotted line at each decision."""
    known = [value for _, _, values in lines for value in values if value is not None]
    most = max([*known, 1e-9])
    inner, high = WIDTH - LEFT, HEIGHT - BELOW
    parts = [f'<line x1="{LEFT}" y1="{high}" x2="{WIDTH}" y2="{high}" stroke="#999"/>']
    shown = f"{most:.4g}" if most < 10_000 else f"{most:.0f}"  # never 1.022e+04
    parts += [f'<text x="{LEFT - 6}" y="11" text-anchor="end">{shown}</text>']
    parts += [f'<text x="{LEFT - 6}" y="{high}" text-anchor="end">0</text>']
    for quarter in range(5):
        at, anchor = LEFT + inner * quarter / 4, "end" if quarter == 4 else "middle" if quarter else "start"
        words = clock(duration_s * quarter / 4)
        parts.append(f'<text x="{at:.0f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{words}</text>')
    for mark in marks:
        at = LEFT + inner * min(max(mark / duration_s, 0.0), 1.0)
        parts.append(f'<line x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{high}" stroke="#999" stroke-dasharray="2 3"/>')
    for name, colour, values in lines:
        path = _path([None if one is None else high - (high - 4) * one / most for one in values], inner)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"><title>{name}</title></path>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def _path(heights: Sequence[float | None], inner: float) -> str:
    """Steps, broken where nothing is known."""
    parts, width, pen = [], inner / max(len(heights), 1), "M"
    for index, height in enumerate(heights):
        if height is None:
            pen = "M"
            continue
        parts.append(f"{pen}{LEFT + index * width:.1f} {height:.1f}H{LEFT + (index + 1) * width:.1f}")
        pen = "L"
    return "".join(parts)


def _decisions(result: Result) -> Iterator[str]:
    yield "<table>"
    for at, reason in result.events:
        if reason.kind in SHOWN:
            change = "" if reason.before is None or reason.after is None else f"{reason.before} &rarr; {reason.after}: "
            kind = escape(reason.kind.value.replace("_", " "))
            yield f"<tr><td>{clock(at)}</td><td>{kind}</td><td>{change}{escape(reason.text)}</td></tr>"
    yield "</table>"
