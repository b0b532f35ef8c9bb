"""The endpoint adapter against a real server on 127.0.0.1: layouts, types, batches, faults, and what is refused."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import ConfigurationError, ModelFailedError, ModelOutputError, PicassoError
from picasso.core.facts import Capability
from picasso.core.model import Model
from picasso.models.endpoint import client as endpoint_client
from picasso.testing import check_model
from tests.models.endpoint_server import WEIGHTS, Served, scores, serving

X = np.random.default_rng(2).uniform(size=(11, 8, 8, 3)).astype(np.float32)
Open = Callable[..., tuple[Served, Model]]


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Start a server and open its model: endpoint(Served(...), labels=...)."""
    monkeypatch.setattr(endpoint_client, "FIRST_PAUSE", 0.005)
    for name in ("TOKEN", "TIMEOUT", "CONCURRENCY"):
        monkeypatch.delenv(f"PICASSO_ENDPOINT_{name}", raising=False)
    with ExitStack() as stack:

        def start(served: Served, path: str = "", **choices: Any) -> tuple[Served, Model]:
            stack.enter_context(serving(served))
            model = picasso.load_model(served.url + path, **choices)
            stack.callback(model.close)
            return served, model

        yield start


# --- answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("datatype", ["FP32", "FP16", "UINT8"])
@pytest.mark.parametrize("shape", [(-1, 3, 8, 8), (-1, 8, 8, 3), (8, 8, 3)])
def test_layouts_types_and_encodings(endpoint: Open, shape: tuple[int, ...], datatype: str, binary: bool) -> None:
    served, model = endpoint(Served(datatype=datatype, shape=shape, binary=binary))
    assert model.input_shape == (8, 8, 3)
    whole = datatype == "UINT8"
    x = np.round(X * 255) if whole else X
    expected = scores(x.astype(np.float16).astype(np.float32) if datatype == "FP16" else x)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-5)
    assert model.preprocessing.scale == (1 if whole else 1 / 255)
    assert served.inputs["image"].dtype == {"FP32": "f4", "FP16": "f2", "UINT8": "u1"}[datatype]


def test_the_contract_is_kept(endpoint: Open) -> None:
    _, model = endpoint(Served(binary=True))
    assert model.capabilities == {Capability.PREDICT}
    assert model.framework == "endpoint"
    check_model(model)


def test_versions_and_labels(endpoint: Open) -> None:
    served, model = endpoint(Served(), "/versions/1/", labels=["a", "b", "c", "d"])
    model.predict(X[:1])
    assert served.seen[-1] == ("/v2/models/net/versions/1/infer", 1)
    assert model.name == "net" or model.name == "1"


def test_the_digest_is_taken_once(endpoint: Open) -> None:
    served, model = endpoint(Served())
    asked = len(served.seen)
    assert model.digest == model.digest
    assert len(served.seen) == asked


def test_a_fixed_batch_is_padded(endpoint: Open) -> None:
    served, model = endpoint(Served(shape=(4, 3, 8, 8)))
    np.testing.assert_allclose(model.predict(X), scores(X), atol=1e-5)
    assert {count for _, count in served.seen} == {4}


@pytest.mark.parametrize("code", [413, 400, 500])
def test_batches_are_halved_until_the_server_takes_them(endpoint: Open, code: int) -> None:
    served, model = endpoint(Served(most=3, too_many=code))
    assert [count for _, count in served.seen] == [6, 3, 3]
    np.testing.assert_allclose(model.predict(X), scores(X), atol=1e-5)
    assert max(count for _, count in served.seen[3:]) == 3


def test_the_users_batch_size_is_that_of_a_request(endpoint: Open) -> None:
    served, model = endpoint(Served(), batch_size=2)
    model.predict(X)
    assert max(count for _, count in served.seen) == 2


def test_a_few_requests_run_at_a_time_and_keep_their_order(endpoint: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_ENDPOINT_CONCURRENCY", "3")
    served, model = endpoint(Served(slow=0.02), batch_size=1)
    np.testing.assert_allclose(model.predict(X), scores(X), atol=1e-5)
    assert served.at_once == 3


def test_a_server_that_is_busy_is_asked_again(endpoint: Open) -> None:
    served, model = endpoint(Served())
    for faults in ([503, 503], [502], [504, 429, 503, 503]):
        served.faults = list(faults)
        np.testing.assert_allclose(model.predict(X[:2]), scores(X[:2]), atol=1e-5)
    served.faults = [503] * 5
    with pytest.raises(
        ModelFailedError, match=r"is not ready \(HTTP 503\): a fault of the test. second line. Try again"
    ):
        model.predict(X[:1])
    assert not served.faults


def test_other_inputs_are_held(endpoint: Open) -> None:
    more = [{"name": "age", "datatype": "INT64", "shape": [-1, 2]}, {"name": "mode", "datatype": "FP32", "shape": [1]}]
    served, model = endpoint(Served(more_inputs=more), hold={"age": [3, 4]})
    model.predict(X[:2])
    np.testing.assert_array_equal(served.inputs["age"], [[3, 4], [3, 4]])
    np.testing.assert_array_equal(served.inputs["mode"], [0])
    with pytest.raises(ConfigurationError, match=r"'age' is INT64 \(free, 2\); what is held does not fit"):
        picasso.load_model(served.url, hold={"age": [1, 2, 3]})


def test_the_input_is_chosen_where_several_could_be(endpoint: Open) -> None:
    more = [{"name": "other", "datatype": "FP32", "shape": [-1, 3, 8, 8]}]
    served, _ = endpoint(Served(more_inputs=more), input="image")
    with pytest.raises(ConfigurationError, match=r"several inputs that could read the picture: .* --input image"):
        picasso.load_model(served.url)
    with pytest.raises(ConfigurationError, match="has no input 'none'"):
        picasso.load_model(served.url, input="none")


def test_a_free_size_is_assumed_or_declared(endpoint: Open) -> None:
    served, model = endpoint(Served(shape=(-1, 3, -1, -1)), preprocessing=picasso.Preprocessing(size=8))
    np.testing.assert_allclose(model.predict(X), scores(X), atol=1e-5)
    model = picasso.load_model(served.url)
    assert model.input_shape == (224, 224, 3)
    assert "The input's size is free" in model.facts.notes[0]
    model.close()
    served.shape = (-1, 3, 9, 9)
    with pytest.raises(ModelOutputError, match=r"'image' has shape \(free, 3, 9, 9\); pictures come as \(8, 8, 3\)"):
        picasso.load_model(served.url, preprocessing=picasso.Preprocessing(size=8))


# --- access --------------------------------------------------------------------------------------------------


def test_the_token_is_sent_and_never_shown(endpoint: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_ENDPOINT_TOKEN", "sesame")
    served, model = endpoint(Served(token="sesame"))
    assert served.tokens == {"Bearer sesame"}
    assert "sesame" not in f"{model.facts} {vars(model.remote.client)}"  # type: ignore[attr-defined]
    monkeypatch.setenv("PICASSO_ENDPOINT_TOKEN", "wrong-one")
    with pytest.raises(ModelFailedError, match=r"refuses access \(HTTP 401\). Set PICASSO_ENDPOINT_TOKEN") as error:
        picasso.load_model(served.url)
    assert "wrong-one" not in str(error.value)
    monkeypatch.setenv("PICASSO_ENDPOINT_TOKEN", "a\nb")
    with pytest.raises(ConfigurationError, match="no header may hold"):
        picasso.load_model(served.url)


def test_redirects_are_not_followed_so_that_no_other_host_gets_the_token(
    endpoint: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICASSO_ENDPOINT_TOKEN", "sesame")
    other, _ = endpoint(Served())
    other.tokens.clear()
    with (
        serving(Served(location=f"{other.url}?key=secret")) as served,
        pytest.raises(ModelFailedError, match=r"redirects to http://127.0.0.1/v2/models/net; redirects are not"),
    ):
        picasso.load_model(served.url)
    assert not other.tokens


# --- what is refused -----------------------------------------------------------------------------------------


def fault(served: Served, kind: type[PicassoError], said: str) -> None:
    with serving(served), pytest.raises(kind, match=said):
        picasso.load_model(served.url)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda v: b"<html>", "The endpoint's answer is no JSON object"),
        (lambda v: [1], "The endpoint's answer is no JSON object"),
        (lambda v: b"[" * 100_000, "The endpoint's answer is no JSON object"),
        (lambda v: {}, "holds no outputs"),
        (lambda v: {"outputs": [5]}, "output '' is no tensor"),
        (lambda v: _tensor(v, datatype="BYTES"), "holds no numbers"),
        (lambda v: _tensor(v, shape=[1, 4]), "output 'scores' is no tensor: cannot reshape"),
        (lambda v: _tensor(v, shape=[2**40, 4]), "is no tensor: .* numbers"),
        (lambda v: _tensor(v, shape=[-6, -4]), "is no tensor"),
        (lambda v: _tensor(v, data=["tank"] * v.size), "is no tensor: could not convert"),
        (lambda v: _tensor(v, parameters={"binary_data_size": 99}), "is no tensor"),
        (lambda v: _tensor(v[:1]), r"returned shape \(1, 4\) as 'scores' for 6 pictures"),
        (lambda v: _tensor(v * np.nan), "NaN or infinite scores on every probe"),
    ],
)
def test_answers_that_are_none_are_refused(answer: Any, said: str) -> None:
    fault(Served(answer=answer), ModelOutputError, said)


def _tensor(values: np.ndarray, **other: Any) -> dict[str, Any]:
    data = [float(value) for value in values.reshape(-1)]
    return {"outputs": [{"name": "scores", "datatype": "FP32", "shape": list(values.shape), "data": data} | other]}


def test_nan_in_a_later_answer_is_refused(endpoint: Open) -> None:
    served, model = endpoint(Served())
    served.answer = lambda v: json.dumps(_tensor(v * np.nan)).encode()
    with pytest.raises(ModelOutputError, match="The model returned NaN scores"):
        model.predict(X[:1])
    served.answer = lambda v: _tensor(v, data=[None] * v.size)
    with pytest.raises(ModelOutputError, match="The model returned NaN scores"):
        model.predict(X[:1])
    served.answer = lambda v: _tensor(v[:, :2])
    with pytest.raises(ModelOutputError, match=r"returned shape \(1, 2\); it returned 4 columns before"):
        model.predict(X[:1])
    served.answer = lambda v: _tensor(v, name="other")
    with pytest.raises(ModelOutputError, match="lacks the output 'scores'"):
        model.predict(X[:1])


def test_metadata_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for metadata, said in [
        ({}, "does not describe its inputs"),
        ({"inputs": [{"name": "x"}]}, "does not describe its inputs"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": ["n"]}]}, "does not describe its inputs"),
        ({"inputs": [{"name": "x", "datatype": "BYTES", "shape": [-1, 3, 8, 8]}]}, "No input of the endpoint reads"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 5]}]}, "No input of the endpoint reads pictures"),
    ]:
        monkeypatch.setattr(Served, "metadata", lambda self, metadata=metadata: metadata)
        fault(Served(), ModelOutputError, said)
    monkeypatch.setattr(Served, "metadata", lambda self: b"nonsense")
    fault(Served(), ModelOutputError, "The endpoint's metadata is no JSON object")


def test_endpoints_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_client, "FIRST_PAUSE", 0.001)
    fault(Served(ready=503), ModelFailedError, "The model at http://127.* is not ready. Wait")
    fault(Served(faults=[418]), ModelFailedError, r"refused \(HTTP 418\): a fault of the test. second line. Check")
    with serving(Served()) as served, pytest.raises(ModelFailedError, match=r"has no model at .*/nothing. Check"):
        picasso.load_model(f"http://127.0.0.1:{served.port}/v2/models/nothing")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelFailedError, match=f"The endpoint 127.0.0.1:{port} cannot be reached: .*efused"):
        picasso.load_model(f"http://127.0.0.1:{port}/v2/models/net")


def test_slow_and_huge_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_ENDPOINT_TIMEOUT", "0.2")
    fault(Served(slow=1), ModelFailedError, r"did not answer in time \(after 0.2 s\). Set PICASSO_ENDPOINT_TIMEOUT")
    monkeypatch.setenv("PICASSO_ENDPOINT_TIMEOUT", "0.5")
    fault(Served(trickle=0.05), ModelFailedError, "did not answer in time")
    monkeypatch.delenv("PICASSO_ENDPOINT_TIMEOUT")
    monkeypatch.setattr(endpoint_client, "MOST_BYTES", 2**16)
    fault(Served(answer=lambda v: b" " * 2**18), ModelOutputError, "answer is larger than 0 MiB")


@pytest.mark.parametrize(
    "source",
    [
        "http://127.0.0.1:1/",
        "https://me:secret@127.0.0.1/v1/models/net?key=secret",
        "http://127.0.0.1:1/v2/models/",
        "http://127.0.0.1:1/v2/models/net?key=secret",
        "http:///v2/models/net",
    ],
)
def test_addresses_that_are_none_are_refused_without_their_secrets(source: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no address of a model\. Give http://host:port") as error:
        picasso.load_model(source)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(("name", "value"), [("TIMEOUT", "soon"), ("TIMEOUT", "-1"), ("CONCURRENCY", "1.5")])
def test_the_environment_is_checked(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PICASSO_ENDPOINT_{name}", value)
    with pytest.raises(ConfigurationError, match=f"PICASSO_ENDPOINT_{name} must be a .* above 0. Got '{value}'"):
        picasso.load_model("http://127.0.0.1:1/v2/models/net")


def test_the_served_network_is_what_it_says() -> None:
    quarters = np.stack([X[:, a : a + 4, b : b + 4].mean((1, 2)) for a in (0, 4) for b in (0, 4)], axis=1)
    np.testing.assert_allclose(scores(X), quarters.reshape(len(X), -1) @ WEIGHTS, atol=1e-5)
