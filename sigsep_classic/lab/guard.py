"""Who may talk to the lab: the browser on this computer that was given the key, from the lab's own page.

A page of the internet may ask a browser to talk to 127.0.0.1, under a name of its own (DNS rebinding) or from its own
origin (websockets are not held back by the same-origin policy), and other users of this computer may too.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost")

HEADERS = {
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; "
    "form-action 'self'; base-uri 'self'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""With every answer: a page of the lab loads nothing from elsewhere, and is in no frame but its own."""

MULTIPART_BYTES = 4096
"""What a form adds to the file in it."""


class Guard:
    """An ASGI application before another one, which gets only what is let through.

    Parameters
    ----------
    app : ASGI application
    port : int
        Where it is served: part of hosts and origins.
    key : str
        What the first address has as ``?key=``; it is a cookie from then on.
    upload_limit : int
        Bytes of the largest file.
    """

    def __init__(self, app: App, *, port: int, key: str, upload_limit: int) -> None:
        self._app, self._key, self._limit = app, key, upload_limit + MULTIPART_BYTES
        self._hosts = {f"{host}:{port}" for host in HOSTS}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._cookie = f"sigsep_lab_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(scope, receive, send, *refusal)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            extra = dict(HEADERS)
            if self._asked(scope):
                extra["set-cookie"] = f"{self._cookie}={self._key}; HttpOnly; SameSite=Strict; Path=/"
            await self._app(scope, _counted(receive, self._limit), _with(extra, send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return status and text of a refusal; None lets through."""
        if headers.get("host", "") not in self._hosts:
            return 421, f"this is {' or '.join(sorted(self._hosts))} and no other host"
        writes = scope["type"] == "websocket" or scope.get("method") not in ("GET", "HEAD")
        origin = headers.get("origin")
        if (origin is not None or writes) and origin not in self._origins:
            return 403, "only pages of the lab itself may ask for this"
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return 403, "only pages of the lab itself may ask for this"
        if not (self._known(headers) or self._asked(scope)):
            return 403, "open the address with ?key= that sigsep-classic lab printed"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limit:
            return 413, "the file is larger than --upload-limit allows"
        return None

    def _known(self, headers: dict[str, str]) -> bool:
        """Whether the browser has the key."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._key.encode())

    def _asked(self, scope: Scope) -> bool:
        """Whether this is the first page, with the key in its address."""
        if scope["type"] != "http" or scope["path"] != "/":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        return hmac.compare_digest(given.encode(), self._key.encode())


def _with(extra: dict[str, str], send: Send) -> Send:
    """Return a ``send`` that adds headers to the answer."""

    def pairs() -> Iterator[tuple[bytes, bytes]]:
        for name, value in extra.items():
            yield name.encode("latin-1"), value.encode("latin-1")

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *pairs()]}
        await send(message)

    return wrapped


def _counted(receive: Receive, limit: int) -> Receive:
    """Return a ``receive`` that ends a body which goes on beyond the limit, whatever its header said."""
    taken = 0

    async def wrapped() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > limit else message

    return wrapped


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"sigsep-classic lab: {text}\n".encode()})
