"""A job may lay maps over a video: what was sent, and the film that came out."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("video", sa.JSON(none_as_null=True)))
    op.add_column("jobs", sa.Column("film", sa.JSON(none_as_null=True)))
