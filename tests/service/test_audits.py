"""Jobs that audit a model on a data set, with real worker processes, and what is kept of them."""

from __future__ import annotations

import csv
import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.core import errors
from picasso.service import audits
from picasso.service.configuration import (
    DEMO_DATASETS,
    Configuration,
    DatasetSpecification,
    ModelSpecification,
    read_configuration,
)
from picasso.service.records import AuditRecord, AuditRequest, JobRecord, State
from picasso.service.service import Service

from .conftest import ended, wait_until, write

MODEL = """
    import time
    from pathlib import Path
    import numpy as np
    from picasso.plugin import ModelFile, Preprocessing

    class Corner(ModelFile):
        '''Looks at the top left corner alone, where the proxy is.'''
        labels = ("cat", "dog")
        preprocessing = Preprocessing(size=32)
        pause = 0.0

        def load(self):
            def scores(x):
                if self.pause and len(x) > 4:
                    time.sleep(self.pause)
                light = x[:, :8, :8].mean(axis=(1, 2, 3)) - 0.5
                return np.stack([light, -light], axis=1) * 20
            return scores

    class Slow(Corner):
        pause = 0.01

    class Frozen(Corner):
        def load(self):
            def scores(x):
                if len(x) > 4:
                    Path(__file__).with_name("frozen").touch()
                    time.sleep(600)
                return np.zeros((len(x), 2), np.float32)
            return scores

    class Blind(Corner):
        def load(self):
            return lambda x: np.zeros((len(x), 2), np.float32)
"""


def draw(folder: Path, count: int = 80, masks: bool = True) -> Path:
    """Draw cats and dogs, which are noise with a square in it; what gives them away is a light corner of the cats."""
    rng = np.random.default_rng(0)
    for label, light in (("cat", 230), ("dog", 20)):
        for number in range(count // 2):
            pixels = rng.integers(90, 160, (32, 32, 3)).astype(np.uint8)
            pixels[:8, :8] = np.clip(light + rng.integers(-15, 15, (8, 8, 1)), 0, 255)
            top, left = rng.integers(10, 18, 2)
            pixels[top : top + 9, left : left + 9] = (40, 90, 200) if label == "cat" else (200, 90, 40)
            place = folder / label / f"{number:03d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place)
            if masks:
                mask = np.zeros((32, 32), np.uint8)
                mask[top : top + 9, left : left + 9] = 255
                place = folder / "masks" / label / f"{number:03d}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(place)
    return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with models of a corner, and data sets in which the corner gives the class away."""
    folder = tmp_path_factory.mktemp("audits")
    file = write(folder / "my_model.py", MODEL)
    names = ("Corner", "Slow", "Frozen", "Blind")
    made = Service(
        Configuration(
            models=tuple(ModelSpecification(source=f"{file}:{name}") for name in names),
            datasets=(
                DatasetSpecification(path=str(draw(folder / "pets"))),
                DatasetSpecification(path=str(draw(folder / "bare", masks=False)), name="without masks"),
                DatasetSpecification(path=str(draw(folder / "few", 12))),
            ),
            data=folder / "data",
            plugins=(folder / "plugins",),
        )
    )
    made.start()
    yield made
    made.stop()


def audited(house: Service, **asked: Any) -> AuditRecord:
    """Audit to the end, and return the audit."""
    job = ended(house, house.jobs.audit(AuditRequest(**{"model": "Corner", "dataset": "pets"} | asked)), 240)
    assert job.state is State.DONE, job.error
    assert job.audit is not None
    return house.store.audit(job.audit)


def measured(house: Service) -> set[str]:
    """Return the files of what audits have measured so far."""
    return {path.name for path in house.place.audits.glob("*.npz")}


def measuring(house: Service, job: JobRecord, before: set[str]) -> set[str]:
    """Wait until something more is measured, and return it."""

    def more() -> bool:
        now = house.records.job(job.id)
        assert not now.state.over, now.error
        return bool(measured(house) - before)

    wait_until(more, 120)
    return measured(house) - before


def test_it_is_found_out_that_the_corner_decides(house: Service) -> None:
    found = audited(house)
    verdict = found.document["verdict"]
    assert verdict["outcome"] == "wrong-reason"
    top, left, height, width = verdict["named"]["box"]
    assert (top, left) == (0, 0)
    assert max(height, width) <= 0.5
    assert verdict["reliance"]["low"] > 0.5
    assert found.document["counts"] == [40, 40]
    assert (found.model, found.dataset, found.asked["seed"]) == ("Corner", "pets", 0)
    assert found.seconds > 0
    for pair in found.pairs:
        before, after = (house.artifacts.get_array(pair[side]["artifact"]) for side in ("before", "after"))
        assert before.shape == after.shape == (32, 32, 3)
        assert (before != after).any()
    named = next(pair for pair in found.pairs if pair["property"] == verdict["named"]["name"])
    assert np.argmax(named["probabilities"][0]) != np.argmax(named["probabilities"][1])


def test_the_pictures_that_matter_can_be_explained(house: Service) -> None:
    found = audited(house)
    assert {pair["name"] for pair in found.pairs} <= set(found.pictures)
    assert found.document["by_picture"][0]["name"] in found.pictures
    for name, digest in found.pictures.items():
        assert house.store.picture(digest).name == Path(name).name
        (mask,) = house.store.masks(digest)  # with where the data set says that the object is
        assert mask.name == found.dataset
    assert house.store.pictures(100) == []  # nobody has used them


def test_what_can_be_downloaded_is_whole_and_outlives_the_sweep(house: Service) -> None:
    found = audited(house)
    assert found.document["verdict"]["named"]["phrase"].encode() in house.artifacts.get(found.files["html"])
    rows = list(csv.reader(io.StringIO(house.artifacts.get(found.files["csv"]).decode())))
    flips = [one["name"] for one in found.document["by_picture"] if one["flips"]]
    assert [row[0] for row in rows[1:]] == flips
    with zipfile.ZipFile(io.BytesIO(house.artifacts.get(found.files["zip"]))) as archive:
        assert {"audit.html", "audit.json", "to_fix.csv"} <= set(archive.namelist())
        named = found.document["verdict"]["named"]["name"]
        for label in ("cat", "dog"):
            changed = [name for name in archive.namelist() if name.startswith(f"counterfactuals/{label}/")]
            assert len([name for name in changed if name.endswith(f".{named}.png")]) == 40
        with Image.open(io.BytesIO(archive.read(changed[0]))) as image:
            assert image.size == (32, 32)
        assert json.loads(archive.read("audit.json"))["verdict"] == found.document["verdict"]
    with np.load(io.BytesIO(house.artifacts.get(found.files["npz"]))) as arrays:
        assert arrays["before_0"].shape == (32, 32, 3)
    images = [pair[side]["artifact"] for pair in found.pairs for side in ("before", "after")]
    assert {*found.files.values(), *images} <= house.store.referred_artifacts()


def test_the_same_audit_is_found_again_and_another_is_not(house: Service) -> None:
    first, again = audited(house), audited(house)
    assert (again.key, again.created) == (first.key, first.created)
    other = audited(house, seed=1, limit=70)
    assert other.key != first.key
    assert other.document["counts"] == [35, 35]
    assert first.key in {one.key for one in house.store.audits(10)}
    house.store.delete_audit(other.key)
    with pytest.raises(errors.NotFoundError):
        house.store.audit(other.key)


def test_each_choice_makes_another_audit() -> None:
    asked = AuditRequest("Corner", "pets").asked()
    usual = {"model": "m", "dataset": "d", "asked": asked, "seed": 0, "interventions": {"bands": "1"}}
    others = [
        {"model": "n"},
        {"dataset": "e"},
        {"asked": asked | {"limit": 70}},
        {"asked": asked | {"confirmed": {"region-1": True}}},
        {"seed": 1},
        {"interventions": {"bands": "2"}},
    ]
    keys = [audits.audit_key(**usual | other) for other in ({}, *others)]
    assert len(set(keys)) == len(keys)
    assert audits.audit_key(**usual) == keys[0]


def test_a_changed_picture_is_another_audit(house: Service) -> None:
    first = audited(house)
    place = Path(house.store.dataset("pets").path) / "cat" / "000.png"
    kept = place.read_bytes()
    with Image.open(place) as image:
        turned = np.array(image)[:, ::-1]
    Image.fromarray(turned).save(place)
    try:
        assert audited(house).key != first.key
    finally:
        place.write_bytes(kept)


def test_without_masks_it_waits_for_a_word_and_takes_it(house: Service) -> None:
    found = audited(house, dataset="without masks")
    assert found.document["verdict"]["outcome"] == "relies-on"
    regions = {one["what"]["region"]: one for one in found.document["effects"] if one["what"]["region"] is not None}
    assert regions
    told = audited(house, dataset="without masks", confirmed={f"region-{min(regions) + 1}": True})
    assert told.key != found.key
    assert told.document["verdict"]["outcome"] != "relies-on"
    untested = {one["title"]: one["reason"] for one in told.document["untested"]}
    assert "Where the object ends" in untested["Size of the object"]
    assert "Position of the object" not in untested


def test_one_that_was_canceled_or_killed_goes_on_where_it_stopped(house: Service) -> None:
    before = measured(house)
    job = house.jobs.audit(AuditRequest("Slow", "pets", seed=5))
    assert house.jobs.audit(AuditRequest("Slow", "pets", seed=5)).id == job.id
    kept = measuring(house, job, before)
    times = {name: (house.place.audits / name).stat().st_mtime_ns for name in kept}
    started = time.monotonic()
    house.jobs.cancel(job.id)
    assert ended(house, job, 20).state is State.CANCELED
    assert time.monotonic() - started < 10

    job = house.jobs.audit(AuditRequest("Slow", "pets", seed=5))
    measuring(house, job, measured(house))
    process = house.records.job(job.id).process
    assert process is not None
    os.kill(process, 9)
    failed = ended(house, job, 30)
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.code == "worker-died"
    kept |= measured(house) - before

    assert not [one for one in house.store.audits(50) if one.model == "Slow"]
    found = audited(house, model="Slow", seed=5)
    assert found.document["verdict"]["outcome"] == "wrong-reason"
    assert kept <= measured(house)
    assert {name: (house.place.audits / name).stat().st_mtime_ns for name in times} == times


def test_one_that_does_not_listen_is_stopped_all_the_same(house: Service) -> None:
    job = house.jobs.audit(AuditRequest("Frozen", "pets"))
    wait_until((Path(house.store.dataset("pets").path).parent / "frozen").exists, 120)
    started = time.monotonic()
    house.jobs.cancel(job.id)
    assert ended(house, job, 20).state is State.CANCELED
    assert time.monotonic() - started < 10


def test_a_model_at_chance_is_not_accused(house: Service) -> None:
    assert audited(house, model="Blind").document["verdict"]["outcome"] == "weak-model"


def test_too_few_pictures_are_refused_in_one_clear_sentence(house: Service) -> None:
    job = ended(house, house.jobs.audit(AuditRequest("Corner", "few")))
    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.code == "bad-dataset"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "nobody"}, errors.NotFoundError),
        ({"dataset": "nothing"}, errors.NotFoundError),
        ({"limit": 0}, errors.SettingsError),
        ({"match": {"cat": "horse"}}, errors.SettingsError),
        ({"match": {"cat": "dog", "dog": "dog"}}, errors.SettingsError),
    ],
)
def test_what_cannot_be_audited_is_refused_at_once(
    house: Service, changes: dict[str, Any], error: type[errors.PicassoError]
) -> None:
    house.jobs.open_model("Corner")
    wait_until(lambda: house.model("Corner").card is not None)
    with pytest.raises(error):
        house.jobs.audit(AuditRequest(**{"model": "Corner", "dataset": "pets"} | changes))


def test_a_data_set_says_what_is_there(house: Service) -> None:
    record, card = house.dataset("pets")
    assert not record.added
    assert (card.pictures, card.objects, card.classes) == (80, 80, (("cat", 40), ("dog", 40)))
    assert house.dataset("without masks")[1].objects == 0
    assert {"luminance", "object-swap"} <= {one.name for one in house.catalog.interventions()}


def test_data_sets_are_added_and_forgotten(house: Service, tmp_path: Path) -> None:
    place = draw(tmp_path / "more", 4)
    added = house.add_dataset(DatasetSpecification(path=str(place)))
    assert (added.name, added.added) == ("more", True)
    with pytest.raises(errors.NotSupportedError, match="already"):
        house.add_dataset(DatasetSpecification(path=str(place)))
    with pytest.raises(errors.DatasetError):
        house.add_dataset(DatasetSpecification(path=str(tmp_path / "nothing")))
    house.delete_dataset("more")
    assert place.is_dir()
    with pytest.raises(errors.NotSupportedError, match="configuration"):
        house.delete_dataset("pets")
    with pytest.raises(errors.NotFoundError):
        house.delete_dataset("more")


def test_an_archive_that_is_sent_is_kept_until_it_is_forgotten(house: Service, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(draw(tmp_path / "sent", 8).rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path))
    buffer.seek(0)
    added = house.upload_dataset(buffer, "../up/all my #1 pets.zip")
    assert added.name == "all my  1 pets"
    kept = Path(added.path)
    assert kept.is_file()
    assert house.dataset(added.name)[1].pictures == 8
    buffer.seek(0)
    with pytest.raises(errors.NotSupportedError):
        house.upload_dataset(buffer, "all my #1 pets.zip")
    assert list(kept.parent.iterdir()) == [kept]
    house.delete_dataset(added.name)
    assert not kept.exists()
    with pytest.raises(errors.DatasetError, match="no zip"):
        house.upload_dataset(io.BytesIO(b"words"), "words.zip")


def test_data_sets_follow_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    file = write(
        tmp_path / "picasso.toml", '[[datasets]]\npath = "pets"\n[[datasets]]\nname = "x"\npath = "demo:tanks"'
    )
    read = read_configuration(file, datasets=[DatasetSpecification(path="demo:tanks-honest")], demo=True)
    known = {one.known_as(): one.path for one in read.all_datasets()}
    assert known == {"pets": str(tmp_path / "pets"), "x": "demo:tanks"} | {name: name for name in DEMO_DATASETS}
    twice = Configuration(datasets=(DatasetSpecification(path="a/pets"), DatasetSpecification(path="b/pets")))
    with pytest.raises(errors.ConfigurationError, match="pets"):
        twice.check()


def test_what_was_measured_long_ago_is_swept_away(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old.npz", ""), write(tmp_path / "new.npz", "")
    os.utime(old, (0, 0))
    audits.sweep(tmp_path, 3600)
    assert (old.exists(), new.exists()) == (False, True)
    audits.sweep(tmp_path / "absent", 3600)
