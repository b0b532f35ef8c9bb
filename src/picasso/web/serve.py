"""Runs the server."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from picasso.core.errors import ConfigurationError
from picasso.service.configuration import Configuration
from picasso.service.service import Service
from picasso.web.app import create_app

GRACEFUL_SECONDS = 2
_PORTS_TRIED = 20


def serve(configuration: Configuration, open_browser: bool, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end (Ctrl-C).

    Args:
        configuration: What the server is told. Where its port is taken, the next free one is used.
        open_browser: Whether the page is opened in the user's browser.
        ready: Called with the address as soon as it answers; with a token it carries it.

    Raises:
        ConfigurationError: The configuration cannot be used, no port is free, or another server uses the data folder.
    """
    configuration.check()
    with bind(configuration.host, configuration.port) as listener:
        # Started here and not by the application, so that what prevents it reaches the caller as one clear error.
        service = Service(configuration)
        service.start()
        address = _address(configuration, int(listener.getsockname()[1]))

        def started() -> None:
            ready(address)
            if open_browser:
                threading.Thread(target=webbrowser.open, args=(address,), name="picasso-browser", daemon=True).start()

        options = uvicorn.Config(
            create_app(configuration, service),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
            server_header=False,
            proxy_headers=False,
        )
        # Ctrl-C is how a person ends it, in good order; uvicorn raises it again when it is done.
        with suppress(KeyboardInterrupt):
            _Server(options, started).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is ready, and ends event streams at once when it shall end."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._when_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        state: Any = self.config.app.state  # type: ignore[union-attr]
        state.stopping.set()
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket on the port or, where it is taken, on one of the next.

    Raises:
        ConfigurationError: The address is not this computer's, or no port is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last: OSError | None = None
    for candidate in range(port, min(port + _PORTS_TRIED, 65536)) if port else (0,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), candidate))
        except OSError as error:
            listener.close()
            last = error
            continue
        return listener
    raise ConfigurationError(
        f"Picasso cannot listen on {host}, port {port} or the {_PORTS_TRIED - 1} after it: {last}.",
        "Choose another port.",
    )


def _address(configuration: Configuration, port: int) -> str:
    host = configuration.host
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={configuration.token}" if configuration.token else "")
