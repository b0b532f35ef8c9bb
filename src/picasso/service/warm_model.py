"""The one model that a worker process holds open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from picasso.core.asking import read_place
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import Picture
from picasso.core.what_if import WhatIf
from picasso.service import cards
from picasso.service.cards import Card, Seen
from picasso.service.configuration import ModelSpecification


@dataclass
class WarmModel:
    """A place for one open model.

    A pool's worker process lives through many jobs, and each arrives as a plain function call, so the process itself
    has to remember the model between two of them.
    """

    model: Model | None = None
    specification: ModelSpecification | None = None
    files: frozenset[Seen] = frozenset()
    painted: tuple[str, str | None, WhatIf] | None = None
    """Picture and place that were asked about last, ready to be painted over: a hand asks many times in a row."""

    def holds(self, specification: ModelSpecification) -> bool:
        """Say whether the model is open and its files have not changed since."""
        if self.model is None or self.specification != specification:
            return False
        return cards.look(file.path for file in self.files) == self.files

    def open(self, specification: ModelSpecification) -> Card:
        """Open a model in place of the present one, and describe it.

        Raises:
            PicassoError: It cannot be opened.
        """
        if self.model is not None:
            self.model.close()
            self.model = self.painted = None
        # Looked at before it is read: a file that changes meanwhile is found changed at the next job.
        before = cards.look(cards.files_of(specification))
        model = load_model(specification.source, **specification.arguments())
        known = {file.path for file in before}
        self.files = before | cards.look(cards.all_files(specification, model) - known)
        self.model, self.specification = model, specification
        return self.describe()

    def what_if(self, picture: str, at: str | None, read: Callable[[], Picture]) -> WhatIf:
        """Return a picture that is ready to be painted over.

        Args:
            picture: Its digest.
            at: Where a segmenter or detector is asked.
            read: Reads the picture.
        """
        assert self.model is not None
        if self.painted is None or self.painted[:2] != (picture, at):
            self.painted = None
            self.painted = picture, at, WhatIf(self.model, read(), read_place(at))
        return self.painted[2]

    def describe(self) -> Card:
        """Describe the open model."""
        assert self.model is not None
        return Card.of(self.model, tuple(sorted(self.files, key=lambda file: file.path)))


WARM = WarmModel()
"""This process's model; empty in every process but a worker."""
