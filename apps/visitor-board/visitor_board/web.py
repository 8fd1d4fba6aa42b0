"""The board as pages and as JSON."""

import base64
import hashlib
import logging
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, jsonify, render_template, request
from markupsafe import Markup, escape
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, UnsupportedMediaType

from visitor_board.lane import in_lane
from visitor_board.messages import MESSAGE_MAX, NAME_MAX, Draft, Message, draft, is_posted, new_posted
from visitor_board.origin import is_cross_site
from visitor_board.store import Store, StoreFailed
from visitor_board.visits import Visits

PAGE = 20
"""Messages on one page."""

LIST_MAX = 200
"""Most messages in one JSON answer: below DynamoDB's 1 MB an answer, whatever they hold."""

BODY_MAX = 16 * 1024
"""Largest request body in bytes: a form of 540 characters, each in four bytes of three signs, has 6,500."""

_EMPTY = Draft(name="", message="", mistakes={})
_CSS = (Path(__file__).parent / "board.css").read_text("utf-8")
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with that, browsers send "Origin: null" with the page's own form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_log = logging.getLogger(__name__)


def instance_name(environ: Mapping[str, str]) -> str:
    """What this copy is called on its pages."""
    return environ.get("FLYBALL_INSTANCE") or socket.gethostname()


def create_app(store: Store, visits: Visits, *, instance: str) -> Flask:
    """The application around `store`; `instance` is shown at the foot of each page."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(css=Markup(_CSS), name_max=NAME_MAX, message_max=MESSAGE_MAX, instance=instance)
    _add_pages(app, store, visits)
    _add_json(app, store)
    _add_errors(app)
    app.wsgi_app = in_lane(app.wsgi_app, places=store.at_once, past="/health", body_max=BODY_MAX)  # type: ignore[method-assign, assignment]
    return app


def _add_pages(app: Flask, store: Store, visits: Visits) -> None:
    def board(form: Draft, *, before: str | None, count: int) -> str:
        found = store.page(limit=PAGE + 1, before=before)
        rows = Markup("").join(_row(message) for message in found[:PAGE])
        older = found[PAGE - 1].posted if len(found) > PAGE else None
        return render_template("board.html", rows=rows, older=older, before=before, form=form, count=count)

    @app.get("/")
    def show() -> str:
        before = _cursor()
        return board(_EMPTY, before=before, count=visits.count())

    @app.post("/messages")
    def post() -> Response | tuple[Response | str, int]:
        if is_cross_site(dict(request.headers)):
            raise Forbidden("This message was sent from another site's page, so it was not posted.")
        typed = _typed()
        if typed.mistakes:
            if request.is_json:
                return jsonify(error="The message was not posted.", mistakes=typed.mistakes), 400
            return board(typed, before=None, count=visits.total()), 400
        message = Message(posted=new_posted(), name=typed.name, message=typed.message)
        store.add(message)
        if request.is_json:
            return jsonify(_as_json(message)), 201
        return Response(status=303, headers={"Location": "/"})

    @app.get("/health")
    def health() -> Response:
        store.visits()
        return Response("ok\n", mimetype="text/plain")


def _add_json(app: Flask, store: Store) -> None:
    @app.get("/messages")
    def messages() -> Response:
        limit = request.args.get("limit", "100")
        if not (limit.isascii() and limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= LIST_MAX):
            raise BadRequest(f"limit is {limit!r}: give a number from 1 to {LIST_MAX}.")
        found = store.page(limit=int(limit) + 1, before=_cursor())
        shown = found[: int(limit)]
        more = shown[-1].posted if len(found) > len(shown) else None
        return jsonify(messages=[_as_json(message) for message in shown], next=more)


def _add_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        answer = _error(error.code or 500, error.name, error.description or "")
        for name, value in error.get_headers():
            if name not in {"Content-Type", "Content-Length"}:
                answer.headers[name] = value
        return answer

    @app.errorhandler(StoreFailed)
    def failed(error: StoreFailed) -> Response:
        _log.error("%s %s: %s", request.method, request.path, error)
        if request.path == "/health":
            return Response(f"the store failed: {error}\n", status=503, mimetype="text/plain")
        answer = _error(503, "The board is resting", "Its store does not answer. Please try again in a moment.")
        answer.headers["Retry-After"] = "5"
        return answer

    @app.after_request
    def guard(answer: Response) -> Response:
        answer.headers.update(_HEADERS)
        return answer


def _error(status: int, title: str, text: str) -> Response:
    wants_json = request.is_json or (request.path == "/messages" and request.method == "GET")
    if wants_json:
        answer = jsonify(error=text or title)
        answer.status_code = status
        return answer
    return Response(render_template("error.html", title=title, text=text), status=status)


def _cursor() -> str | None:
    before = request.args.get("before")
    if before is not None and not is_posted(before):
        raise BadRequest("There is no such page: what follows “before=” is not the key of a message.")
    return before


def _typed() -> Draft:
    if request.is_json:
        try:
            body = request.get_json()
        except RecursionError:
            raise BadRequest("This JSON is nested too deep.") from None
        if not isinstance(body, dict):
            raise BadRequest("Send an object with name and message.")
        return draft(body.get("name"), body.get("message"))
    if request.mimetype in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return draft(request.form.get("name"), request.form.get("message"))
    raise UnsupportedMediaType("Send a form or JSON with name and message.")


def _as_json(message: Message) -> dict[str, str]:
    return {"id": message.posted, "name": message.name, "message": message.message, "at": message.posted[:26] + "Z"}


@lru_cache(maxsize=1024)
def _row(message: Message) -> Markup:
    """A message as HTML. Messages never change, so what was rendered once is right for ever."""
    hue = int(hashlib.sha256(message.name.encode()).hexdigest()[:2], 16) * 8 // 256
    return Markup(
        '<li class="note"><span class="face c{hue}" aria-hidden="true">{initial}</span><div class="said">'
        '<p class="who"><strong>{name}</strong> <time datetime="{iso}">{at}</time></p>'
        '<p class="words">{words}</p></div></li>'
    ).format(
        hue=hue,
        initial=message.name[0].upper(),
        name=escape(message.name),
        iso=f"{message.at:%Y-%m-%dT%H:%M:%SZ}",
        at=f"{message.at.day} {message.at:%b %Y, %H:%M} UTC",
        words=escape(message.message),
    )
