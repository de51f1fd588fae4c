"""Who may ask, and how much: checked before a request is read.

The page has no user and no cookie. Against other sites in the same browser it is the Host header
(a name that was rebound to this machine) and the Origin header (a form or script of theirs) that
tell; on another host than loopback a token is asked for as well.
"""

import asyncio
import hmac
from urllib.parse import parse_qs, urlsplit

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .store import MAX_UPLOAD

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_READING = ("GET", "HEAD")
_PATIENCE = 20.0  # seconds, with a body that does not come
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], token: str | None):
        self._app, self._hosts, self._token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, _bounded(receive), _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        host = headers.get("host", "")
        if _name_of("//" + host) not in self._hosts:
            return _refused(f"this server is not {host:.80}", 421)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return _refused("a page of another site asks", 403)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _refused("a page of another site asks", 403)
        if scope["method"] not in _READING and "x-manualnst" not in headers:
            return _refused("a request that changes something needs the header X-Manualnst: 1", 403)
        if self._token is not None and not hmac.compare_digest(
            self._given_token(scope, headers).encode(), self._token.encode()
        ):
            return _refused("give the token that the server has printed", 401)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_UPLOAD:
            return _refused(f"at most {MAX_UPLOAD >> 20} MiB go into one request", 413)
        return None

    def _given_token(self, scope: Scope, headers: dict[str, str]) -> str:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return bearer or query.get("token", [""])[0]


def _name_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _refused(words: str, status: int) -> Response:
    return PlainTextResponse(words + "\n", status)


def _bounded(receive: Receive) -> Receive:
    """A body may be longer than it says, or never end."""
    left, whole = MAX_UPLOAD, False

    async def bounded() -> Message:
        nonlocal left, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), _PATIENCE)
        except TimeoutError:
            return {"type": "http.disconnect"}
        left -= len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message if left >= 0 else {"type": "http.disconnect"}

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in message["headers"]}
            more = [
                (k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in names
            ]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending
