"""The pages are served; what they do is tested in a browser."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from picasso.service.configuration import DEMO_MODELS

from ..service.conftest import configure
from .conftest import API, refused, serving

PAGES = ["/", "/explain", "/live", "/history", "/visualizations", "/models"]
HTML = {"Accept": "text/html"}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_served(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/jobs/nothing", "/results/nothing"])
def test_what_is_not_there_has_a_page_for_people_and_json_for_programs(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "There is no" in answer.text
    refused(client.get(path), 404, "not-found")


def test_the_pages_of_a_job_and_of_a_result(client: httpx.Client, upload: object) -> None:
    digest = upload(90)  # type: ignore[operator]
    body = {"model": "Toy", "visualization": "class-probabilities", "pictures": [digest]}
    from .conftest import finished

    over = finished(client, client.post(f"{API}/jobs", json=body).json())
    assert client.get(f"/jobs/{over['id']}", headers=HTML).status_code == 200
    assert client.get(f"/results/{over['tasks'][0]['result']}", headers=HTML).status_code == 200


def test_with_the_demo_the_first_page_tells_its_story(tmp_path: Path) -> None:
    with serving(configure(tmp_path, demo=True)) as client:
        assert client.get("/", headers=HTML).text != client.get("/explain", headers=HTML).text
        names = [model["name"] for model in client.get(f"{API}/models").json()["models"]]
        assert names == ["Toy", *DEMO_MODELS]
