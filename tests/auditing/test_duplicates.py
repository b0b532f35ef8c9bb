"""Pictures that a data set holds more than once."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from picasso.auditing.files.duplicates import Alike, find_duplicates, near_pairs
from picasso.auditing.files.facts import FileFacts, file_facts
from tests.auditing.filing import pixels, saved


def _again(data: bytes, quality: int) -> bytes:
    return saved(np.asarray(Image.open(io.BytesIO(data))), quality=quality)


def test_copies_are_found_whatever_they_were_saved_as() -> None:
    files = [saved(pixels(seed), quality=90) for seed in range(12)]
    files.append(files[3])  # 12: the same file
    files.append(saved(np.asarray(Image.open(io.BytesIO(files[5]))), "PNG"))  # 13: the same pixels
    files.append(_again(files[7], 60))  # 14: saved again
    labels = [0, 1] * 6 + [0, 1, 1]
    columns = [{"split": "train"}] * 12 + [{"split": "train"}, {"split": "test"}, {"split": "train"}]
    found = find_duplicates([file_facts(data) for data in files], labels, columns)
    assert [(d.members, d.alike) for d in found] == [
        ((3, 12), Alike.BYTES),
        ((5, 13), Alike.PIXELS),
        ((7, 14), Alike.NEAR),
    ]
    assert [(d.contradicts, d.leaks) for d in found] == [(True, False), (False, True), (False, False)]
    names = [f"{number}.jpg" for number in range(15)]
    assert found[0].sentence(names, ("tank", "decoy")) == (
        '3.jpg, 12.jpg are the same file, under the classes "tank" and "decoy".'
    )
    assert found[1].sentence(names, ("tank", "decoy")) == (
        '5.jpg, 13.jpg are the same pixels, in the splits "test" and "train".'
    )


def test_pictures_that_are_their_own_are_no_duplicates() -> None:
    facts = [file_facts(saved(pixels(seed), quality=85)) for seed in range(60)]
    assert find_duplicates(facts, [0] * 60) == ()


def test_of_no_pictures_none_are_duplicates() -> None:
    assert find_duplicates([], []) == ()


def test_all_near_pairs_are_found_as_a_slow_search_finds_them() -> None:
    random = np.random.default_rng(0)
    hashes = [int(value) for value in random.integers(0, 2**63, 150)]
    for number in range(60):  # near ones, at every distance up to five, and some that are equal
        bits = random.choice(64, number % 6, replace=False)
        hashes.append(hashes[number] ^ sum(1 << int(bit) for bit in bits))
    expected = [(a, b) for a, b in combinations(range(210), 2) if bin(hashes[a] ^ hashes[b]).count("1") <= 3]
    found = np.concatenate(list(near_pairs(hashes)))
    assert len(expected) >= 40
    assert sorted(map(tuple, found.tolist())) == expected


@pytest.mark.parametrize(("many", "alike"), [(10_000, False), (3000, True)])
def test_many_pictures_take_seconds_and_little_memory(many: int, alike: bool) -> None:
    import time
    import tracemalloc

    first = file_facts(saved(pixels(0), "PNG"))
    random = np.random.default_rng(0)

    def other(number: int) -> FileFacts:
        code = first.hash if alike else int(random.integers(0, 2**63))
        small = random.integers(0, 256, len(first.thumbnail), np.uint8).tobytes()
        return replace(first, digest=str(number), pixels=str(number), hash=code, thumbnail=small)

    facts = [other(number) for number in range(many - 1)]
    facts.append(replace(facts[77], digest="copy", pixels="copy"))
    began = time.process_time()
    tracemalloc.start()
    found = find_duplicates(facts, [0] * many)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [d.members for d in found] == [(77, many - 1)]
    assert most < 200e6
    assert time.process_time() - began < 30
