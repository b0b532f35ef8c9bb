"""Comparisons of methods are kept, and jobs make them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("methods", sa.JSON(none_as_null=True)))
    op.add_column("jobs", sa.Column("comparison", sa.String(64)))
    op.create_table(
        "comparisons",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("job", sa.String(32)),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("pictures", sa.JSON, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("page", sa.String(64), nullable=False),
        sa.Column("arrays", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_comparisons"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_comparisons_job", ondelete="SET NULL"),
    )
    op.create_index("ix_comparisons_created", "comparisons", ["created"])
