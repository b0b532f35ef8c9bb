"""Pictures know whether nobody brought them: an audit took them in."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pictures", sa.Column("adopted", sa.Boolean, nullable=False, server_default=sa.false()))
