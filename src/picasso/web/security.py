"""Who may ask, and what a page may do: Host, Origin, token, and the headers of every answer."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from picasso.service.configuration import Configuration
from picasso.web.errors import API, ForbiddenError, error_response

COOKIE = "picasso"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        # A video that a visitor chose is played from memory.
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # The live page may ask for the camera; no page may for anything else, and no frame within a page for anything.
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), usb=(), serial=()",
}
_SAFE = ("GET", "HEAD")


class Security:
    """The outermost layer of the application.

    Host is checked so that no other site can reach the server under a name of its own (DNS rebinding), Origin so that
    no other site's page can make it write.

    Args:
        app: What it guards.
        configuration: Names, address and token.
    """

    def __init__(self, app: ASGIApp, configuration: Configuration) -> None:
        self._app = app
        self._token = configuration.token
        self._cookie = _cookie_value(configuration.token) if configuration.token else ""
        named = {"localhost", "127.0.0.1", "[::1]", _bracketed(configuration.host), *configuration.hosts}
        self._hosts = frozenset(host.lower() for host in named)
        # Bound to every address, the server cannot know its names; the token, checked below, then keeps others out.
        self._any_host = configuration.host in ("0.0.0.0", "::") and not configuration.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store" if _is_api(request) else "no-cache")
            await send(message)

        answer = self._refusal(request)
        await (answer or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that goes no further, or None."""
        host = request.headers.get("host", "")
        if not self._any_host and _name(host) not in self._hosts:
            error = ForbiddenError(
                f"Picasso does not answer under the name '{host[:80]}'.", "Use http://127.0.0.1, or configure the name."
            )
            return error_response(request, error)
        if request.method not in _SAFE and not _same_origin(request, host):
            return error_response(request, ForbiddenError("Another site's page sent this.", "Use Picasso's own page."))
        return self._without_token(request) if self._token else None

    def _without_token(self, request: Request) -> Response | None:
        given = request.query_params.get("token")
        if given is not None and request.method in _SAFE and not _is_api(request) and self._is_token(given):
            return self._remember(request)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        if hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self._cookie.encode()):
            return None
        if given is not None and self._is_token(given):
            return None
        hint = "Open the address with ?token=..., or send the header Authorization: Bearer ..."
        return error_response(request, ForbiddenError("This Picasso asks for its token.", hint))

    def _remember(self, request: Request) -> Response:
        """Keep the token in a cookie, and take it out of the address: addresses are copied and logged."""
        rest = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "token"]
        # Only a path: two slashes at its start would lead to another site.
        path = "/" + request.url.path.lstrip("/")
        answer = RedirectResponse(path + (f"?{urlencode(rest)}" if rest else ""), status_code=303)
        answer.set_cookie(
            COOKIE, self._cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
        )
        return answer

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


def _cookie_value(token: str) -> str:
    return hmac.new(token.encode(), b"picasso-cookie", hashlib.sha256).hexdigest()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _name(host: str) -> str:
    """Return a Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _same_origin(request: Request, host: str) -> bool:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(API)
