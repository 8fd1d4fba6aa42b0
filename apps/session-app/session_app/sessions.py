"""Sessions: a signed cookie in the browser, a hash in Redis, nothing in this process.

The cookie is `ID.SIGNATURE`. The key that signs is made once and lies in Redis too, so that every copy knows it and
none carries it in its code. A cookie that nobody here signed is worth nothing: its bearer gets a new session.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

COOKIE = "session"
_SECRET = "session-app:secret"
_CONNECTIONS = 32
_WAIT_S = 30
"""How long a view waits for one of the connections."""

_FORM = re.compile(r"([A-Za-z0-9_-]{24})\.([0-9a-f]{64})")


class SessionsFailed(Exception):
    """Redis did not answer, or not in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view, counted. `views` is the session's total with it; `since` is Unix time; `cookie` goes to the browser."""

    session: str
    cookie: str
    views: int
    since: float
    new: bool


class Sessions:
    """The sessions in the Redis at `url`, each kept for `ttl_s` seconds after its last view."""

    def __init__(self, url: str, *, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._redis = _client(url, connections=_CONNECTIONS)
        # A connection of its own: the health check must not wait behind the views of a busy hour.
        self._probe = _client(url, connections=1)
        self._secret: str | None = None

    async def view(self, cookie: str | None) -> View:
        """Count a view of the session that `cookie` names, or of a new one. Raises SessionsFailed."""
        try:
            known = await self._session_of(cookie)
            session = known or secrets.token_urlsafe(18)
            key, now = f"session:{session}", time.time()
            # One transaction: counted by the server, so no view of any copy is lost, and never without an expiry.
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hincrby(key, "views", 1)
                pipe.hsetnx(key, "since", repr(now))
                pipe.hget(key, "since")
                pipe.expire(key, self._ttl_s)
                views, _, since, _ = await pipe.execute()
            signed = await self._sign(session)
        except (RedisError, OSError) as error:
            raise SessionsFailed(f"Redis: {error}") from error
        return View(session=session, cookie=signed, views=views, since=float(since), new=known is None)

    async def check(self) -> None:
        """Raises SessionsFailed unless Redis answers."""
        try:
            await self._probe.ping()
        except (RedisError, OSError) as error:
            raise SessionsFailed(f"Redis: {error}") from error

    async def close(self) -> None:
        """Let go of connections."""
        await self._redis.aclose()
        await self._probe.aclose()

    async def _session_of(self, cookie: str | None) -> str | None:
        found = _FORM.fullmatch(cookie or "")
        if found is None:
            return None
        session, signature = found.groups()
        if hmac.compare_digest(signature, _signature(await self._key(), session)):
            return session
        # Redis may have been emptied since, and another copy have made a new key.
        self._secret = None
        return session if hmac.compare_digest(signature, _signature(await self._key(), session)) else None

    async def _sign(self, session: str) -> str:
        return f"{session}.{_signature(await self._key(), session)}"

    async def _key(self) -> str:
        if self._secret is None:
            await self._redis.set(_SECRET, secrets.token_hex(32), nx=True)
            self._secret = str(await self._redis.get(_SECRET))
        return self._secret


def _client(url: str, *, connections: int) -> Redis:
    # Whoever finds no connection free waits for one, in turn. No retries: a repeated count would be counted twice. A
    # connection that was lost is replaced before it is used, but only without the notices of maintenance that Redis
    # Enterprise sends: with them the client takes a closed connection for one on which a notice waits.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=_WAIT_S,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        decode_responses=True,
    )
    return Redis.from_pool(pool)


def _signature(secret: str, session: str) -> str:
    return hmac.new(secret.encode(), session.encode(), hashlib.sha256).hexdigest()
