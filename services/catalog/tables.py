"""The catalog's tables. Features declare theirs on this metadata."""

from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.orm import Session

from shared.database.schema import NAMING, insert

metadata = MetaData(naming_convention=NAMING)

# One row. Locked by every write, so that catalog writes follow one another; `revision` is the ETag of the lists.
catalog_state = Table(
    "catalog_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
)

ONLY_ROW = 1


def lock_catalog(session: Session) -> None:
    """Let no other write into the catalog until this transaction ends."""
    first = insert(session, catalog_state).values(id=ONLY_ROW, revision=0)
    session.execute(first.on_conflict_do_nothing(index_elements=["id"]))
    session.execute(catalog_state.select().where(catalog_state.c.id == ONLY_ROW).with_for_update())


def mark_changed(session: Session) -> None:
    """What lists show is different from now on."""
    session.execute(catalog_state.update().values(revision=catalog_state.c.revision + 1))


def revision(session: Session) -> int:
    """Counts the changes of everything in the catalog; 0 before the first."""
    found = session.execute(catalog_state.select()).first()
    return 0 if found is None else int(found.revision)
