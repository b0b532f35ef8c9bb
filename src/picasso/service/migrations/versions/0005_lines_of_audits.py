"""What a list shows of an audit lies beside its document, so that a list reads no documents."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audits", sa.Column("summary", sa.JSON))
    columns = sa.column("key", sa.String), sa.column("document", sa.JSON), sa.column("summary", sa.JSON)
    audits = sa.table("audits", *columns)
    connection = op.get_bind()
    for key in connection.execute(sa.select(audits.c.key)).scalars().all():
        of_it = audits.c.key == key
        document = connection.execute(sa.select(audits.c.document).where(of_it)).scalar_one()
        verdict = document["verdict"]
        summary = {
            "pictures": sum(document["counts"]),
            "outcome": verdict["outcome"],
            "headline": verdict["headline"],
            "sentence": verdict["sentence"],
        }
        connection.execute(sa.update(audits).where(of_it).values(summary=summary))
