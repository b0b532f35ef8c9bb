"""The page that says whether retraining moved the evidence."""

from __future__ import annotations

from picasso.auditing.findings import Outcome
from picasso.auditing.moved import Moved, Shift
from picasso.auditing.report import drawing
from picasso.auditing.report.page import WORDS, environment, style

MOST_SHOWN = 12
"""Properties drawn at once; the others unfold."""
LOOKS = {
    Shift.MOVED: (Outcome.RIGHT_REASON, "The evidence moved"),
    Shift.PARTLY: (Outcome.BOTH, "The evidence moved in part"),
    Shift.STAYED: (Outcome.WRONG_REASON, "The evidence stayed"),
    Shift.WORSE: (Outcome.WRONG_REASON, "It got worse"),
    Shift.NOTHING: (Outcome.RIGHT_REASON, "Nothing had to move"),
    Shift.CANNOT_TELL: (Outcome.CANNOT_TELL, "Cannot tell"),
}
"""Of each answer the tone and symbol, which are those of an outcome, and the words."""


def page(moved: Moved) -> str:
    """Return a comparison of two audits as a page that needs no other file and runs no script."""
    tone, word = LOOKS[moved.shift]
    if moved.shift is Shift.NOTHING and moved.after.outcome is not Outcome.RIGHT_REASON:
        tone = Outcome.CANNOT_TELL
    shown = max(MOST_SHOWN, sum(any(move.suspect) for move in moved.properties))
    return (
        environment()
        .get_template("moved.html")
        .render(
            moved=moved,
            style=style(),
            tone=tone.value,
            word=word,
            words=WORDS,
            axis=drawing.axis(one for move in moved.moves for one in (move.before, move.after)),
            shown=moved.properties[:shown],
            unfolded=moved.properties[shown:],
        )
    )
