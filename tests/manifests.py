"""The three files that the promises to users show, and the file of one service."""

from __future__ import annotations

from flyball.core.manifest import Complaint, ManifestError, parse

VISITOR_BOARD = """\
#:schema ./flyball.schema.json
name = "visitor-board"

[services.web]
build     = "uv venv && uv pip install -r requirements.txt"   # once per release; optional
run       = "granian --interface wsgi --port $PORT board:app"  # one instance
routes    = ["/"]
health    = "/health"
stores    = ["messages"]              # arrives as MESSAGES_URL
size      = { cpu = 0.25, memory = "512MB" }
instances = { min = 1, max = 10 }

[services.web.scale]
target = { cpu = 50 }                 # target tracking

[stores.messages]
kind = "table"                        # SQLite here, DynamoDB on AWS
key  = { board = "string", posted = "string" }

[aws]
region  = "eu-north-1"
compute = "ec2"
machine = "t3.micro"
"""

SESSION_APP = """\
#:schema ./flyball.schema.json
name = "session-app"

[services.app]
run       = "granian --interface asgi --port $PORT app:app"
routes    = ["/"]
health    = { path = "/health", every = "5s", healthy_after = 2, unhealthy_after = 3 }
stores    = ["sessions", "uploads"]        # SESSIONS_URL, UPLOADS_URL
instances = { min = 2, start = 2, max = 10 }

[services.app.scale]
out = { when = "cpu > 50%", for = "2m", add = 1 }
in  = { when = "cpu < 30%", for = "5m", remove = 1 }

[services.app.deploy]
drain    = "30s"
rollback = { errors = "1%", p95 = "500ms", within = "2m" }

[stores.sessions]
kind = "redis"

[stores.uploads]
kind = "bucket"

[aws]
region  = "eu-north-1"
compute = "ec2"
machine = "t3.small"
"""

FORUM = """\
#:schema ./flyball.schema.json
name = "forum"

[defaults]
health    = { path = "/health", every = "30s" }
instances = { min = 2, max = 10 }
stores    = ["forum"]
size      = { cpu = 0.25, memory = "512MB" }
scale     = { target = { cpu = 70, memory = 80 }, in_cooldown = "5m" }
deploy    = { drain = "30s", rollback = { errors = "1%" } }

[services.posts]
run    = "granian --port $PORT posts.main:app"
routes = ["/api/posts"]

[services.threads]
run    = "granian --port $PORT threads.main:app"
routes = ["/api/threads"]

[services.users]
run    = "granian --port $PORT users.main:app"
routes = ["/api/users"]

[stores.forum]
kind = "table"
key  = { pk = "string", sk = "string" }

[aws]
region  = "us-east-1"
compute = "fargate"
zones   = 2
"""

EXAMPLES = {"visitor-board": VISITOR_BOARD, "session-app": SESSION_APP, "forum": FORUM}


def one_service(lines: str = "", rest: str = "", *, name: str = "app", run: str = "serve") -> str:
    """A file with the service `web`: `lines` are more keys of it (and tables), `rest` comes behind them."""
    return f'name = "{name}"\n[services.web]\nrun = "{run}"\n{lines}\n{rest}'


def complaints(text: str, timezones: frozenset[str] | None = None) -> tuple[Complaint, ...]:
    """What is wrong with a text; nothing when it is right."""
    try:
        parse(text, timezones=timezones)
    except ManifestError as wrong:
        return wrong.complaints
    return ()
