"""Who may ask, and what a page may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from picasso.core.errors import ConfigurationError
from picasso.service.configuration import Configuration
from picasso.web.app import create_app

from ..service.conftest import configure
from .conftest import API, files_under, refused, serving

TOKEN = "a-secret-of-some-length"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(configure(tmp_path_factory.mktemp("guarded"), token=TOKEN, hosts=("picasso.test",))) as made:
        yield made


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.2:80", "[::2]:80"])
def test_other_names_are_refused(client: httpx.Client, host: str) -> None:
    refused(client.get(f"{API}/models", headers={"Host": host}), 403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:1234", "[::1]", "[::1]:1234"])
def test_the_own_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get(f"{API}/color-maps", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_cannot_write(client: httpx.Client, headers: dict[str, str]) -> None:
    refused(client.post(f"{API}/visualizations/reload", headers=headers), 403, "forbidden")
    refused(client.delete(f"{API}/models/Toy", headers=headers), 403, "forbidden")


def test_the_own_page_can_write(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    answer = client.post(f"{API}/visualizations/reload", headers={"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/explain", f"{API}/models", f"{API}/nothing", "/static/nothing.js", "/nothing"])
def test_every_answer_carries_the_policy(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    allowed = dict(one.split("=") for one in headers["permissions-policy"].split(", "))
    assert allowed.pop("camera") == "(self)"  # no other site's page within one of ours
    assert set(allowed.values()) == {"()"}


def test_reading_never_writes(client: httpx.Client) -> None:
    folder = Path(client.get(f"{API}/visualizations").json()["folders"][0]).parent / "data"
    paths = ["/", "/explain", "/models", "/history", "/visualizations"]
    paths += [f"{API}/{noun}" for noun in ("models", "pictures", "visualizations", "jobs", "results", "samples")]
    client.get(f"{API}/models")
    before = files_under(folder)
    for path in paths:
        assert client.get(path).status_code == 200, path
    assert files_under(folder) == before


# --- token -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/explain", f"{API}/models", f"{API}/openapi.json", "/static/styles/base.css", "/nothing"]
)
@pytest.mark.parametrize("query", ["", "?token=wrong"])
def test_nothing_is_shown_without_the_token(guarded: httpx.Client, path: str, query: str) -> None:
    refused(guarded.get(path + query), 403, "forbidden")


def test_a_program_sends_the_token_in_a_header(guarded: httpx.Client) -> None:
    for given, status in (
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Bearer x", 403),
        (f"Basic {TOKEN}", 403),
    ):
        assert guarded.get(f"{API}/models", headers={"Authorization": given}).status_code == status


def test_a_browser_gives_the_token_once(guarded: httpx.Client) -> None:
    with httpx.Client(base_url=guarded.base_url) as browser:
        answer = browser.get("/explain", params={"token": TOKEN, "model": "a b"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/explain?model=a+b"
        cookie = answer.headers["set-cookie"]
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert browser.get(f"{API}/models").status_code == 200
    elsewhere = guarded.base_url.copy_with(raw_path=f"//evil.example/?token={TOKEN}".encode())
    assert guarded.get(elsewhere).headers["location"] == "/evil.example/"
    refused(guarded.get(f"{API}/models", headers={"Cookie": "picasso=guess"}), 403, "forbidden")


def test_a_configured_name_is_answered(guarded: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "picasso.test"}
    assert guarded.get(f"{API}/models", headers=headers).status_code == 200


def test_adding_models_has_to_be_allowed(guarded: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    refused(guarded.post(f"{API}/models", json={"source": "x.pt"}, headers=headers), 403, "forbidden")
    refused(guarded.delete(f"{API}/models/Toy", headers=headers), 403, "forbidden")


def test_an_open_address_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="token"):
        create_app(Configuration(host="0.0.0.0", data=tmp_path))
    create_app(Configuration(host="0.0.0.0", data=tmp_path, token=TOKEN))
