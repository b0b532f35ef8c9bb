"""Effects counted by hand, and what else a verdict is made of."""

from __future__ import annotations

from picasso.auditing import statistics
from picasso.auditing.findings import Effect, Interval
from picasso.auditing.regions.confirming import Confirmed
from picasso.core.interventions.intervention import Property, Role

GOOD = statistics.share(190, 200)
MASKS = Confirmed(masks=True)
CLASSES = ("cat", "dog")


def effect(
    name: str,
    lost: int,
    gained: int = 0,
    role: Role = Role.PROPERTY,
    change: float = 0.1,
    p: float | None = None,
    by_class: tuple[float, float] | None = None,
    region: int | None = None,
    pictures: int = 133,
    box: tuple[float, float, float, float] | None = None,
    on_object: bool = False,
    margin: Interval | None = None,
) -> Effect:
    """An effect of as many answers lost and gained, of so many pictures, before it is judged; margins fall alike."""
    drop = statistics.drop(lost, gained, pictures)
    return Effect(
        Property(name, name.title(), f"the {name}", box, region), "one", role, pictures, 0, drop,
        by_class or (drop.value, drop.value), (0.0, 0.0), margin or drop, 0.9,
        p if p is not None else (1e-9 if lost > gained + 5 else 0.5), 1.0, change, False, False, on_object=on_object,
    )  # fmt: skip


OBJECT = effect("object", 100, role=Role.OBJECT)
NO_OBJECT = effect("object", 1, 1, role=Role.OBJECT)
CLEAN = [effect(f"clean {number}", 1, 1) for number in range(20)]
