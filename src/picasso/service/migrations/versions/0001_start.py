"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("specification", sa.JSON, nullable=False),
        sa.Column("added", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("card", sa.JSON),
        sa.Column("opened", sa.String(32)),
        sa.PrimaryKeyConstraint("name", name="pk_models"),
    )
    op.create_table(
        "pictures",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("file", sa.String(64), nullable=False),
        sa.Column("file_type", sa.String(32), nullable=False),
        sa.Column("thumbnail", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_pictures"),
    )
    op.create_index("ix_pictures_created", "pictures", ["created"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("visualization", sa.String(100), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("target", sa.JSON),
        sa.Column("top", sa.Integer, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("cancel", sa.Boolean, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("process", sa.Integer),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("started", sa.String(32)),
        sa.Column("finished", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_jobs_created", "jobs", ["created"])
    op.create_table(
        "results",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("job", sa.String(32)),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("visualization", sa.String(100), nullable=False),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("panels", sa.JSON, nullable=False),
        sa.Column("arrays", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_results"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_results_job", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["picture"], ["pictures.digest"], name="fk_results_picture"),
    )
    op.create_index("ix_results_created", "results", ["created"])
    op.create_index("ix_results_job", "results", ["job"])
    op.create_table(
        "tasks",
        sa.Column("job", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("result", sa.String(64)),
        sa.Column("error", sa.JSON),
        sa.PrimaryKeyConstraint("job", "position", name="pk_tasks"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_tasks_job", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["picture"], ["pictures.digest"], name="fk_tasks_picture"),
        sa.ForeignKeyConstraint(["result"], ["results.key"], name="fk_tasks_result", ondelete="SET NULL"),
    )
    op.create_index("ix_tasks_result", "tasks", ["result"])
    op.create_table(
        "events",
        sa.Column("job", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("job", "number", name="pk_events"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_events_job", ondelete="CASCADE"),
    )


def downgrade() -> None:
    for name in ("events", "tasks", "results", "jobs", "pictures", "models"):
        op.drop_table(name)
