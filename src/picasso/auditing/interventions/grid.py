"""The cells of a grid over the picture."""

from collections.abc import Sequence

from picasso.plugin import Property, Rectangles

_SIDE = 4
_ROWS = ("top", "upper", "lower", "bottom")
_COLUMNS = ("far left", "left", "right", "far right")


class Grid(Rectangles):
    """One of sixteen cells of the background comes from another picture."""

    name = "grid"
    title = "Grid"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return tuple(
            Property(
                f"cell-r{row + 1}c{column + 1}",
                f"Cell in row {row + 1}, column {column + 1}",
                f"the {_COLUMNS[column]} cell in the {_ROWS[row]} row of the picture",
                (row / _SIDE, column / _SIDE, 1 / _SIDE, 1 / _SIDE),
            )
            for row in range(_SIDE)
            for column in range(_SIDE)
        )
