"""Every threshold of the audit in one place, each with its reason."""

from __future__ import annotations

from typing import Final

LEAST_PICTURES: Final = 64
"""With fewer pictures the audit does not answer: on planted proxies the area under its ROC curve was .965 with 32
pictures, .985 with 64, 1 with 120. Below 74 nothing can be cleared, so that no model is acquitted."""
LEAST_MEASURED: Final = 30
"""A property that fewer pictures allow is not tested: its interval says nothing, whatever it shows."""
RECOMMENDED_PICTURES: Final = 200
"""From here on a clean property's upper bound comes under `CLEAR` with room to spare."""
LEAST_OF_CLASS: Final = 10
"""A class of fewer pictures has no interval worth the name; its pictures are left out, and that is said."""
LEAST_LEFT: Final = 5
"""Of a class that was drawn, when copies and what cannot be read are gone."""
LEAST_CLEARED: Final = 74
"""Pictures from which on anything is cleared: with fewer that never move the upper bound does not come under `CLEAR`,
and one that moves to and fro must not do what none can."""
MOST_PICTURES: Final = 1000
"""Drawn from a larger data set, evenly over the classes: more pictures narrow no interval that matters."""
ALPHA: Final = 0.01
"""Of a suspect after Holm's correction over everything that was tested: one false accusation in a hundred audits."""
DROP: Final = 0.05
"""Accuracy that must hang on a property before it is called a reason: 5 points. Less is noise of real data sets."""
SURE: Final = 0.02
"""The lower end of the drop's interval must lie above: 2 points."""
TWO_CLASSES: Final = 0.03
"""The drop must show in at least two classes, 3 points each: a seam that looks like one class hurts only the other."""
SURFACE: Final = 0.5
"""Share of the margin that another object costs from which on its texture alone counts as a reason of its own: paint
and grain are parts of an object, and honest networks that tell six things apart owed up to a quarter of it to them, or
.41 where the object was a region that a person had confirmed."""
SIZE: Final = 0.1
"""Share of the margin that another object costs from which on another size, which an exchange of the object does not
bring, counts as a reason of its own: a truck is larger than a boulder, and honest networks owed up to .08 of it to
that."""
CLEAR: Final = 0.05
"""A property is cleared when the upper end of its drop's interval lies under it, and in no class's own pictures the
drop is surely above `DROP`; equal to that, so that nothing is both cleared and suspected."""
WEAK: Final = 0.10
"""A model whose accuracy is not surely this far above chance, or half the way to 1 where that is nearer, has no
reasons that could be found."""
NAMING: Final = 0.75
"""The smallest change whose interval reaches this share of the largest drop is named: what contains it is larger, not
truer."""
PARTS: Final = 0.5
"""The headline has up to three places inside of what is named where these reach together `NAMING` of it, with at most
this share of its change."""
SCREEN: Final = 1 / 3
"""Share of the pictures on which everything is tried; what is not cleared there is measured on the rest."""
SCREEN_LEAST: Final = 80
"""Pictures of the screening at least: with 74 that never move the upper bound comes under `CLEAR`, and one or two
that cannot be changed may be left out."""
SCREEN_MOST: Final = 150
"""Pictures of the screening at most: with so many a property that moves one or two by chance is cleared."""
SCREEN_FROM: Final = 160
"""With fewer pictures everything is measured on all of them: what would be left could confirm nothing."""
TURNS: Final = 3
"""How often each picture is asked, with other donors, about what the screening has not settled and one donor does not
show plainly: what an odd donor does is averaged out, so that intervals become narrower without further pictures."""
TURNS_MOST: Final = 400
"""With more pictures each is asked once: their number alone makes the interval narrow."""
CLUE: Final = 0.6
"""Area under the curve from which on what files give away is worth a word, if its interval lies above chance."""
