"""Event streams: nothing is lost when a connection is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from picasso.web.plugin_templates import render_template

from ..service.conftest import PLUGIN, write
from .conftest import API, finished, refused

Upload = Callable[[int], str]
Event = tuple[int, str, dict[str, Any]]


def behave(client: httpx.Client, picture: str, **settings: Any) -> dict[str, Any]:
    body = {"model": "Toy", "visualization": "behave", "pictures": [picture], "settings": settings}
    job: dict[str, Any] = client.post(f"{API}/jobs", json=body).json()
    return job


def read(answer: httpx.Response) -> Iterator[Event]:
    """Read events as a browser does."""
    number, kind = 0, ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            yield number, kind, json.loads(value)


def listen(client: httpx.Client, job: dict[str, Any], last: int | None = None, most: int = 10000) -> list[Event]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    events: list[Event] = []
    with client.stream("GET", job["events"], headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for event in read(answer):
            events.append(event)
            if len(events) == most:
                break
    return events


def test_a_stream_tells_everything_and_ends(client: httpx.Client, upload: Upload) -> None:
    job = behave(client, upload(70), steps=3, pause=0.05)
    events = listen(client, job)
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(set(numbers))
    assert events[0][1:] == ("state", {"state": "queued"})
    assert events[-1][1:] == ("end", {"state": "done", "error": None})
    panels = [data for _, kind, data in events if kind == "panel"]
    assert panels[-1]["panel"]["text"] == "hello 2"  # of those before it only what was told in time
    result = next(data for _, kind, data in events if kind == "result")
    assert client.get(f"{API}/results/{result['key']}").status_code == 200
    assert result["picture"] == job["pictures"][0]


def test_reconnecting_loses_nothing_and_repeats_nothing(client: httpx.Client, upload: Upload) -> None:
    job = behave(client, upload(71), steps=10, pause=0.05)
    seen = listen(client, job, most=4)
    while seen[-1][1] != "end":
        seen += listen(client, job, last=seen[-1][0], most=5)
    finished(client, job)
    told = [event for event in seen if event[1] != "panel" or event[2]["panel"]["text"] == "hello 9"]
    assert told == listen(client, job)
    assert len({number for number, _, _ in seen}) == len(seen)


def test_a_stream_that_was_read_to_its_end_is_not_opened_again(client: httpx.Client, upload: Upload) -> None:
    job = behave(client, upload(72))
    last = listen(client, job)[-1][0]
    assert client.get(job["events"], headers={"Last-Event-ID": str(last)}).status_code == 204
    assert listen(client, job, last=last - 1)[0][1] == "end"
    refused(client.get(f"{API}/jobs/nothing/events"), 404, "not-found")


def test_an_early_map_is_shown_with_addresses_that_answer(client: httpx.Client, upload: Upload) -> None:
    body = {"model": "Toy", "visualization": "partial-occlusion", "pictures": [upload(73)]}
    events = listen(client, client.post(f"{API}/jobs", json=body).json())
    panel = next(data["panel"] for _, kind, data in events if kind == "panel" and data["panel"]["kind"] == "heatmap")
    assert client.get(panel["values"]["url"]).status_code == 200
    assert client.get(panel["picture"]["url"] + ".png").status_code == 200


def test_a_plugin_template_is_rendered_in_a_sandbox(client: httpx.Client, upload: Upload) -> None:
    folder = client.get(f"{API}/visualizations").json()["folders"][0]
    source = PLUGIN.replace('"behave"', '"templated"').replace(
        'yield Text(id="words", title="Words", text=f"{settings.text} {step}")',
        'yield Template(id="t", title="T", values={"word": "<b>", "shot": sample.view, "numbers": [1, 2]})',
    )
    write(Path(folder) / "templated.py", source.replace("Text,", "Template,"))
    template = Path(folder) / "templated.html"
    template.write_text('<p>{{ word }}</p><img src="{{ shot }}" alt="">{{ numbers[1] }}', "utf-8")
    job = behave(client, upload(74)) | {}
    body = {"model": "Toy", "visualization": "templated", "pictures": job["pictures"], "settings": {"steps": 1}}
    over = finished(client, client.post(f"{API}/jobs", json=body).json())
    key = over["tasks"][0]["result"]

    def html() -> str:
        return str(client.get(f"{API}/results/{key}").json()["panels"][0]["html"])

    assert html().startswith('<p>&lt;b&gt;</p><img src="/api/v1/artifacts/')
    assert html().endswith('.png" alt="">2')
    address = html().split('src="')[1].split('"')[0]
    assert client.get(address).headers["content-type"] == "image/png"
    template.unlink()
    assert "no template" in html()


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        ("{{ word.__class__.__mro__ }}", "unsafe"),
        ("{{ numbers.append(3) }}", "unsafe"),
        ("{{ self.__init__.__globals__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% broken", "TemplateSyntaxError"),
        ("{% include '/etc/passwd' %}", "TypeError"),
    ],
)
def test_a_template_that_fails_is_text(attack: str, says: str) -> None:
    shown = render_template(attack, {"values": {"word": "<b>", "numbers": [1]}})
    assert shown.startswith("<p>The template failed: ")
    assert says in shown
