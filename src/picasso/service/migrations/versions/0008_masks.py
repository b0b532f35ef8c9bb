"""Pictures have masks of their objects, and comparisons may be measured against them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "masks",
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("area", sa.Float, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("picture", "digest", name="pk_masks"),
        sa.ForeignKeyConstraint(["picture"], ["pictures.digest"], name="fk_masks_picture"),
    )
    op.add_column("tasks", sa.Column("mask", sa.String(64)))
    op.add_column("comparisons", sa.Column("masks", sa.JSON(none_as_null=True)))
