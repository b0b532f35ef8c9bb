"""The way to a Ray cluster, which asks for a token: whoever may talk to a cluster may run programs on it."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picasso.core.errors import ConfigurationError, MissingExtraError

STORE = 200 * 2**20
"""Bytes of the object store of a Ray that is started here: shards and what was measured of them are small."""
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_MODE, _TOKEN, _FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


@contextmanager
def connection(address: str = "") -> Iterator[None]:
    """Be connected with a Ray cluster; a Ray that is started for it ends with it.

    Args:
        address: "10.0.0.1:6379" from a machine of the cluster, "ray://10.0.0.1:10001" from any other, "auto" for the
            cluster of this machine; by default $RAY_ADDRESS. Without either, a Ray of this computer alone is started.
            A connection that the program has already is used as it is, and stays.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigurationError: The cluster would be used without a token, or cannot be reached.
    """
    imported = sys.modules.get("ray")
    if imported is not None and imported.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS", "")
    before = asks_for_a_token()
    if address:
        require_token(address)
    else:
        os.environ.setdefault(_MODE, "token")
        if not _has_token():
            os.environ[_TOKEN] = secrets.token_hex(32)  # it stays: Ray reads it once
    if imported is not None and asks_for_a_token() is not before:
        raise ConfigurationError(
            f"Ray was imported before {_MODE}=token was set, and reads it then alone.",
            "Set it before the program starts.",
        )
    ray = load_ray()
    started: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": STORE}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **started)
    except (ConnectionError, RuntimeError, ValueError, ImportError, ray.exceptions.RayError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".:")
        if not address:
            raise ConfigurationError(f"Ray cannot be started here: {reason}.", "Try --engine local.") from error
        raise ConfigurationError(
            f"The Ray cluster at {address} cannot be reached: {reason}.",
            f"Check that it runs, that its token is the one given here ({_TOKEN} or {_FILE}), and the address: "
            "HOST:6379 on a machine of the cluster, ray://HOST:10001 on any other.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def require_token(address: str) -> None:
    """Turn token authentication on where there is a token.

    Args:
        address: Of the cluster; one that listens on this computer alone needs none.

    Raises:
        ConfigurationError: There is no token, or authentication was turned off.
    """
    if _MODE not in os.environ and _has_token():
        os.environ[_MODE] = "token"
    if asks_for_a_token() and _has_token():
        return
    if address.removeprefix("ray://").rpartition(":")[0] in _LOOPBACK:
        return
    raise ConfigurationError(
        f"The Ray cluster at {address} would be used without a token: whoever reaches it may run programs there.",
        f"Make a token (ray get-auth-token --generate), and set {_MODE}=token and {_TOKEN} on every machine of the "
        "cluster before `ray start`, and here.",
    )


def asks_for_a_token() -> bool:
    """Say whether Ray's token authentication is on in this process."""
    return os.environ.get(_MODE, "").lower() == "token"


def _has_token() -> bool:
    return bool(os.environ.get(_TOKEN) or os.environ.get(_FILE) or (Path.home() / ".ray" / "auth_token").is_file())


def load_ray() -> Any:
    """Import Ray.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Ray is not installed.", "Install it with: pip install 'picasso[ray]'") from None
    return ray
