"""The live page in a real browser, with a camera that draws a clock and with a video file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import numpy as np
import pytest
from playwright.sync_api import Page, Request, Response, expect

import picasso
from picasso.core.pictures.images import decode_picture
from picasso.demo.scene import Scene, render

from .conftest import Problems, Server

MODEL = "demo:tank-honest"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of a tank that moves, two seconds, as browsers without licensed codecs play it."""
    path = tmp_path_factory.mktemp("videos") / "drive.webm"
    pixels = render(Scene(seed=3, kind="tank", cloudiness=0.2)).pixels
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libvpx", rate=10)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p"
        for step in range(20):
            moved = np.ascontiguousarray(np.roll(pixels, 2 * step, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def live(page: Page, server: Server) -> Page:
    opened(page, server)
    return page


def opened(page: Page, server: Server, more: str = "") -> None:
    page.goto(f"{server.address}/live?model={MODEL}{more}")
    page.wait_for_selector("#live[data-ready]")
    page.wait_for_selector(f'[data-model="{MODEL}"][data-state="ready"]')


def answers(page: Page, at_least: int) -> None:
    page.wait_for_function(
        "(count) => Number(document.querySelector('#live').dataset.answers ?? 0) >= count", arg=at_least
    )


def unpack(body: bytes) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    length = int.from_bytes(body[:4], "little")
    said = json.loads(body[4 : 4 + length])
    return said, np.frombuffer(body[4 + length :], "<f4").reshape(said["values"]["shape"])


def watch(page: Page) -> dict[str, Any]:
    """Count the frames that are asked about at a time, and keep the last answer."""
    seen: dict[str, Any] = {"now": 0, "most": 0, "bodies": []}

    def begun(request: Request) -> None:
        if urlsplit(request.url).path == "/api/v1/glances":
            seen["now"] += 1
            seen["most"] = max(seen["most"], seen["now"])

    def ended(request: Request) -> None:
        if urlsplit(request.url).path == "/api/v1/glances":
            seen["now"] -= 1

    def answered(response: Response) -> None:
        if urlsplit(response.url).path == "/api/v1/glances" and response.status == 200:
            seen["last"] = response

    page.on("request", begun)
    page.on("requestfinished", ended)
    page.on("requestfailed", ended)
    page.on("response", answered)
    return seen


def test_the_camera_is_watched_and_a_still_is_explained_alike(page: Page, server: Server) -> None:
    page.context.grant_permissions(["camera"])
    opened(page, server)
    seen = watch(page)
    page.get_by_role("button", name="Camera").click()
    answers(page, 5)
    expect(page.locator(".live-meter")).to_contain_text("frames a second")
    expect(page.locator(".live-rows li")).to_have_count(2)
    expect(page.locator(".live-play")).to_be_focused()  # so that Space does not open the camera anew
    page.keyboard.press("Space")
    expect(page.locator("#live")).to_have_attribute("data-running", "no")
    expect(page.locator(".live-play")).to_contain_text("Start")
    page.wait_for_timeout(500)
    count = page.locator("#live").get_attribute("data-answers")
    said, values = unpack(seen["last"].body())
    assert seen["most"] == 1  # never more than one in flight
    page.wait_for_timeout(300)
    assert page.locator("#live").get_attribute("data-answers") == count  # paused

    page.get_by_role("button", name="Explain this frame").click()
    page.wait_for_selector("#workbench[data-ready]")
    query = parse_qs(urlsplit(page.url).query)
    assert query["model"] == [MODEL]
    assert query["visualization"] == ["grad-cam"]
    file = server.api.get(f"/pictures/{query['picture'][0]}/file").content
    result = picasso.explain(picasso.load_model(MODEL), decode_picture(file), "grad-cam", top=1, cache=False)
    assert isinstance(result, picasso.Result)
    np.testing.assert_allclose(values, result.attributions[0].values, atol=1e-6)
    assert said["subject"] == result.targets[0].label
    expect(page.locator(".thumb")).to_have_count(1)


def test_a_refused_camera_is_said_in_words(live: Page) -> None:
    live.get_by_role("button", name="Camera").click()
    expect(live.locator(".problem-message")).to_have_text("The camera was refused to this page.")
    expect(live.locator(".problem-hint")).to_contain_text("A video file works, too.")
    expect(live.get_by_role("button", name="Start")).to_be_disabled()


def test_a_page_without_cameras_says_where_there_are_some(page: Page, server: Server) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    opened(page, server)
    page.get_by_role("button", name="Camera").click()
    expect(page.locator(".problem-message")).to_have_text("This browser gives no camera to this page.")
    expect(page.locator(".problem-hint")).to_contain_text("127.0.0.1")


def test_a_video_is_watched_and_a_still_frame_looked_at_anew(live: Page, video: Path) -> None:
    seen = watch(live)
    live.set_input_files("#video-file", video)
    answers(live, 3)
    expect(live.locator("#source")).to_contain_text("drive.webm")
    live.get_by_role("button", name="Pause").click()
    expect(live.locator("#live")).to_have_attribute("data-running", "no")
    assert live.evaluate("document.querySelector('video').paused")
    live.get_by_label("View").select_option("activations")
    expect(live.locator("#live")).to_have_attribute("data-subject", "relu5")
    live.get_by_label("Channel").fill("3")
    live.get_by_label("Channel").press("Tab")
    expect(live.locator("#live")).to_have_attribute("data-subject", "relu5, channel 3")
    live.get_by_label("View").select_option("saliency-map")
    live.get_by_label("Class that the map is of").select_option("decoy")
    expect(live.locator("#live")).to_have_attribute("data-subject", "decoy")
    assert parse_qs(urlsplit(live.url).query)["class"] == ["decoy"]
    said, values = unpack(seen["last"].body())
    assert (said["subject"], said["sign"]) == ("decoy", "unsigned")
    assert values.shape == (128, 128)
    expect(live.locator(".live-rows .explained")).to_have_attribute("data-label", "decoy")
    # A click on a class that is explained gives the best one back.
    live.locator(".live-rows").get_by_role("button", name="decoy").click()
    expect(live.locator("#live")).to_have_attribute("data-subject", "tank")
    live.evaluate("document.querySelector('video').currentTime = 1")
    before = int(live.locator("#live").get_attribute("data-answers") or 0)
    answers(live, before + 1)  # another place of the video is looked at though it stands


def test_another_model_is_watched_as_soon_as_it_is_open(live: Page, video: Path) -> None:
    live.set_input_files("#video-file", video)
    answers(live, 1)
    live.locator(".unfold").click()
    live.locator('[data-model="demo:tank-proxy"]').click()
    live.wait_for_selector('[data-model="demo:tank-proxy"][data-state="ready"]')
    with live.expect_response(lambda one: urlsplit(one.url).path == "/api/v1/glances" and one.status == 200) as found:
        pass
    digest = picasso.load_model("demo:tank-proxy").digest
    while unpack(found.value.body())[0]["model"] != digest:
        with live.expect_response(lambda one: urlsplit(one.url).path == "/api/v1/glances") as found:
            pass
    expect(live).to_have_url(re.compile("model=demo%3Atank-proxy"))


@pytest.mark.parametrize("model", ["demo:segmenter", "demo:detector"])
def test_a_segmenter_and_a_detector_are_watched(page: Page, server: Server, video: Path, model: str) -> None:
    page.goto(f"{server.address}/live?model={model}")
    page.wait_for_selector(f'[data-model="{model}"][data-state="ready"]')
    page.set_input_files("#video-file", video)
    answers(page, 2)
    chosen = page.locator(".live-rows").get_by_role("button").nth(1)
    if model == "demo:detector":  # the map is that of the best detection
        expect(chosen).to_be_disabled()
        return
    page.get_by_role("button", name="Pause").click()
    label = chosen.inner_text()
    chosen.click()
    expect(page.locator("#live")).to_have_attribute("data-subject", label)


def test_the_network_page_leads_to_what_is_chosen_there(page: Page, server: Server, video: Path) -> None:
    page.goto(f"{server.address}/network?model={MODEL}&layer=relu4&channel=5&view=filters")
    page.get_by_role("link", name="Watch live").click()
    page.wait_for_selector("#live[data-ready]")
    page.wait_for_selector(f'[data-model="{MODEL}"][data-state="ready"]')
    page.set_input_files("#video-file", video)
    expect(page.locator("#live")).to_have_attribute("data-subject", "relu4, channel 5")


def test_a_channel_that_is_not_there_and_a_file_that_is_no_video(
    live: Page, video: Path, tmp_path: Path, problems: Problems
) -> None:
    problems.expect("status of 422")
    (tmp_path / "song.mp4").write_bytes(b"la la la")
    live.set_input_files("#video-file", tmp_path / "song.mp4")
    expect(live.locator(".problem-message")).to_have_text("This browser cannot play song.mp4.")
    live.set_input_files("#video-file", video)
    answers(live, 1)
    live.get_by_label("View").select_option("activations")
    live.get_by_label("Channel").fill("9999")
    live.get_by_label("Channel").press("Tab")
    expect(live.locator(".problem-message")).to_contain_text("channel must be in 0..")
    live.get_by_label("Channel").fill("1")
    live.get_by_label("Channel").press("Tab")
    expect(live.locator(".problem-message")).to_have_count(0)


def test_a_film_of_the_whole_video_is_made_and_downloaded(
    live: Page, server: Server, video: Path, axe: Callable[..., None], tmp_path: Path
) -> None:
    live.set_input_files("#video-file", video)
    answers(live, 1)
    live.get_by_label("Which frames").select_option("5")
    live.get_by_role("button", name="Make a film of it").click()
    with live.expect_download() as found:
        live.get_by_role("link", name="Film, MP4").click()
    expect(live.locator(".film-made")).to_contain_text("drive.webm")
    assert found.value.suggested_filename == "drive.grad-cam.mp4"
    found.value.save_as(tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert [frame.shape for frame in frames] == [(256, 256, 3)] * 4
    expect(live.locator(".film-made")).to_contain_text("4 frames, one color scale.")
    live.reload()  # without a video the film is still there
    expect(live.locator(".film-made")).to_contain_text("drive.webm")
    expect(live.get_by_role("button", name="Make a film of it")).to_be_hidden()
    live.get_by_role("link", name="Play or delete it").click()
    expect(live.get_by_role("heading", level=1)).to_have_text("Film by demo:tank-honest")
    expect(live.locator("video")).to_have_attribute("aria-label", "Film of drive.webm")
    live.wait_for_load_state("networkidle")
    axe(live)
    job = live.url.rsplit("/", 1)[1]
    live.goto(f"{server.address}/history")
    films = live.get_by_role("region", name="Films")
    expect(films).to_contain_text("Grad-CAM by demo:tank-honest \u00b7 4 frames")
    films.get_by_role("link", name="drive.webm").click()
    live.get_by_role("button", name="Delete").click()
    live.get_by_role("dialog").get_by_role("button", name="Delete").click()
    live.wait_for_url("**/live*")
    assert server.api.get(f"/jobs/{job}").status_code == 404


def test_classes_keep_their_rows_and_no_other_models_names(live: Page) -> None:
    found = live.evaluate(
        """async () => {
            const { MovingClasses } = await import("/static/live/classes.js");
            const chosen = [];
            const moving = new MovingClasses((index) => chosen.push(index));
            document.body.append(moving.element);
            const one = (index, label, probability) => ({ index, label, probability });
            const rows = () => [...moving.list.children].map((row) => row.dataset.label);
            const show = (...classes) => moving.show(classes, null, "probability", true);
            show(one(0, "tank", 0.9), one(1, "decoy", 0.1));
            show(one(0, "crane", 0.6), one(1, "crane", 0.4));
            const other = rows();
            moving.list.children[1].querySelector("button").click();
            show(one(0, "crane", 0.6), one(1, "plow", 0.4));
            show(one(1, "plow", 0.8), one(0, "crane", 0.2));
            moving.list.querySelector("button").focus();
            await new Promise((done) => setTimeout(done, 1000));
            const held = rows();
            document.activeElement.blur();
            show(one(1, "plow", 0.7), one(0, "crane", 0.3));
            await new Promise((done) => setTimeout(done, 1000));
            const settled = rows();
            moving.element.remove();
            return { other, chosen, held, settled };
        }"""
    )
    assert found["other"] == ["crane", "crane"]
    assert found["chosen"] == [1]
    assert found["held"] == ["crane", "plow"]  # a row that has the focus keeps it
    assert found["settled"] == ["plow", "crane"]


def test_of_two_classes_of_one_name_the_chosen_one_is_explained(live: Page) -> None:
    found = live.evaluate(
        """async () => {
            const { Choices, quick } = await import("/static/live/views.js");
            const place = document.createElement("div");
            document.body.append(place);
            const choices = new Choices(place);
            const view = { name: "a", title: "A", family: "Gradients", subject: "pictures", attributes: true };
            choices.known = quick([{ ...view, description: "" }]);
            const card = (...labels) => ({ labels, task: "classification", visualizations: {} });
            choices.show(card("crane", "tank", "crane"));
            const words = [...place.querySelectorAll("#class-choice option")].map((one) => one.textContent);
            choices.choose(2);
            const told = [[choices.target, choices.label, choices.which]];
            choices.show(card("tank", "crane"));
            told.push([choices.target, choices.label, choices.which]);
            choices.show(card("plow"));
            told.push([choices.target, choices.label, choices.which]);
            place.remove();
            return { words, told };
        }"""
    )
    assert found["words"] == ["The best class of each frame", "crane (class 0)", "tank", "crane (class 2)"]
    assert found["told"] == [[2, "crane", 2], [1, "crane", None], [None, "", None]]


def test_the_color_scale_rises_at_once_and_forgets_slowly(live: Page) -> None:
    found = live.evaluate(
        """async () => {
            const { RunningScale, HALVING_SECONDS } = await import("/static/live/scale.js");
            const scale = new RunningScale();
            const at = (most, seconds, key = "a") => scale.follow([-most, most], 1000 * seconds, key)[1];
            const values = [at(1, 0), at(3, 1), at(1, 1), at(1, 11), at(1, 21), at(0, 21), at(0.5, 21, "b")];
            return {seconds: HALVING_SECONDS, values};
        }"""
    )
    assert found["seconds"] == 10
    assert found["values"] == pytest.approx([1, 3, 3, 2, 1.5, 1.5, 0.5])


def test_it_is_accessible_while_it_runs(live: Page, video: Path, axe: Callable[..., None]) -> None:
    live.set_input_files("#video-file", video)
    for width in (390, 1440):
        live.set_viewport_size({"width": width, "height": 900})
        answers(live, 2)
        axe(live, dark=True)
        assert live.evaluate("document.documentElement.scrollWidth") <= width
