"""A table of counts by two classes, behind each cell of which are the pictures that it counts."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from picasso.core.panels.atlas import Atlas
from picasso.core.panels.base import Panel
from picasso.core.preprocessing import Array

LISTED = 50
"""Names of a cell's pictures at most, where it cannot be opened."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Matrix(Panel):
    """Counts by row and column.

    Args:
        rows, columns: Words for them.
        row_title, column_title: What the rows and columns are: "label", "prediction".
        places: int32 (n, 2): the row and the column that each picture counts in.
        values: float32 (n,): a number of each picture by which a cell's pictures are ordered, the largest first.
        units: Units of these: "probability of the prediction".
        names: The pictures' places in the album.
        atlas: A tile for each picture.
        album: Where the pictures lie.
        labels: What a person may label a picture as; () where nobody is asked.
    """

    kind: ClassVar[str] = "matrix"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_title: str
    column_title: str
    places: NDArray[np.int32]
    values: Array
    units: str
    names: tuple[str, ...]
    atlas: Atlas
    album: str = ""
    labels: tuple[str, ...] = ()

    def counts(self) -> NDArray[np.int64]:
        """Return how many pictures each cell counts, (rows, columns)."""
        found = np.zeros((len(self.rows), len(self.columns)), np.int64)
        np.add.at(found, (self.places[:, 0], self.places[:, 1]), 1)
        return found

    def html(self) -> str:
        counts = self.counts()
        most = max(1, int(counts.max(initial=0)))
        head = "".join(f"<th scope='col'>{escape(word)}</th>" for word in self.columns)
        body = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(word)}</th>"
            + "".join(
                f"<td style='text-align:right;padding:2px 8px;background:rgba(59,111,182,{0.6 * count / most:.2f})'>"
                f"{count}</td>"
                for count in counts[i]
            )
            + "</tr>"
            for i, word in enumerate(self.rows)
        )
        corner = f"{escape(self.row_title)} \\ {escape(self.column_title)}"
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        return (
            f"<h4>{escape(self.title)}</h4><table><thead><tr><th>{corner}</th>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{caption}{self._listed()}"
        )

    def _listed(self) -> str:
        """Return the names of the pictures whose row and column have different words, to be unfolded."""
        parts = []
        for row, column in np.unique(self.places, axis=0):
            if self.rows[row] == self.columns[column]:
                continue
            there = np.flatnonzero((self.places == (row, column)).all(axis=1))
            first = there[np.argsort(-self.values[there], kind="stable")]
            names = ", ".join(escape(self.names[place]) for place in first[:LISTED])
            more = f" and {len(there) - LISTED:,} more" if len(there) > LISTED else ""
            said = f"{self.row_title} {self.rows[row]}, {self.column_title} {self.columns[column]}: {len(there):,}"
            parts.append(f"<details><summary>{escape(said)}</summary><p>{names}{more}</p></details>")
        return "".join(parts)
