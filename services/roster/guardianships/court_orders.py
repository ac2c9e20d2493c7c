"""
Court orders: filed by one district administrator, confirmed by another, and never touched by an import.

Source: docs/decisions/0005-court-orders.md
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.roster.guardianships.handlers import court_order, guardianship_id_of, orders_of
from services.roster.guardianships.rules import check_new_order, confirmed, lift_asked, standing
from services.roster.guardianships.tables import court_orders, guardianships
from services.roster.people.tables import people
from shared.auth.projection import on_guardianship_restricted
from shared.database.unit_of_work import UnitOfWork
from shared.events.roster import GuardianRight, GuardianshipRestricted
from shared.messaging.reactions import Received
from shared.problems import NotFound

Row = Mapping[str, Any]


def file_order(
    *,
    student_id: UUID,
    guardian_id: UUID,
    document: str,
    barred: bool,
    rights: Sequence[GuardianRight],
    begins_on: date | None,
    ends_on: date | None,
    by: UUID,
    today: date,
    uow: UnitOfWork,
) -> Row:
    """
    File an order. What it withholds is withheld in this transaction; a second person confirms afterwards.

    Raises:
        NotFound: This guardian was never linked to this student.
        OrderMeaningless: The order contradicts itself or would take nothing away.
    """
    check_new_order(barred=barred, rights=rights, begins_on=begins_on, ends_on=ends_on)
    guardianship = _locked_guardianship(uow.session, guardianship_id_of(guardian_id, student_id))
    row = {
        "order_id": uuid4(),
        "guardianship_id": guardianship["guardianship_id"],
        "guardian_id": guardian_id,
        "student_id": student_id,
        "document_reference": document,
        "barred": barred,
        "rights": list(rights),
        "begins_on": begins_on,
        "ends_on": ends_on,
        "state": "filed",
        "filed_by": by,
        "filed_at": uow.clock.now(),
        "version": 1,
    }
    uow.session.execute(court_orders.insert().values(**row))
    _bring_into_force(uow, guardianship, today)
    return read_order(uow.session, row["order_id"])


def confirm_order(order_id: UUID, *, by: UUID, today: date, uow: UnitOfWork) -> Row:
    """
    Confirm, as a second person, what another administrator asked for: an order, or its lifting.

    Raises:
        NotFound: There is no such order.
        SamePerson: The caller asked for it.
        OrderNotOpen: There is nothing to confirm.
    """
    row, guardianship = _locked_order(uow.session, order_id)
    state = confirmed(court_order(row), by)
    now = uow.clock.now()
    if state == "lifted":
        _change(uow, row, state=state, lifted_by=by, lifted_at=now)
    else:
        _change(uow, row, state=state, confirmed_by=by, confirmed_at=now)
    _bring_into_force(uow, guardianship, today)
    return read_order(uow.session, order_id)


def ask_to_lift(order_id: UUID, *, document: str, by: UUID, uow: UnitOfWork) -> Row:
    """
    Ask for an order to be lifted. It withholds on until a second person confirms.

    Raises:
        NotFound: There is no such order.
        OrderNotOpen: It is lifted, or its lifting waits already.
    """
    row, _ = _locked_order(uow.session, order_id)
    state = lift_asked(court_order(row))
    _change(uow, row, state=state, lift_reference=document, lift_asked_by=by, lift_asked_at=uow.clock.now())
    return read_order(uow.session, order_id)


def bring_due_orders_into_force(uow: UnitOfWork, today: date) -> int:
    """Orders that begin or end by their own dates; how many guardianships changed."""
    dated = (
        select(guardianships)
        .where(
            guardianships.c.guardianship_id.in_(
                select(court_orders.c.guardianship_id).where(
                    court_orders.c.state != "lifted",
                    court_orders.c.begins_on.is_not(None) | court_orders.c.ends_on.is_not(None),
                )
            )
        )
        .order_by(guardianships.c.guardianship_id)
        .with_for_update()
    )
    rows = [dict(row) for row in uow.session.execute(dated).mappings()]
    return sum(_bring_into_force(uow, row, today) for row in rows)


def read_order(session: Session, order_id: UUID) -> Row:
    """
    Raises:
        NotFound: There is no such order.
    """
    row = session.execute(select(court_orders).where(court_orders.c.order_id == order_id)).mappings().first()
    if row is None:
        raise NotFound
    return dict(row)


def list_orders(session: Session, *, student_id: UUID | None = None, open_only: bool = False) -> list[Row]:
    """Orders, the latest first; `open_only` leaves those that wait for a second person."""
    query = select(court_orders).order_by(court_orders.c.filed_at.desc(), court_orders.c.order_id)
    if student_id is not None:
        query = query.where(court_orders.c.student_id == student_id)
    if open_only:
        query = query.where(court_orders.c.state.in_(("filed", "lifting")))
    return [dict(row) for row in session.execute(query).mappings()]


def list_guardians(session: Session, student_id: UUID) -> list[Row]:
    """Active guardianships of a student with the guardians' sealed names."""
    query = (
        select(guardianships, people.c.sealed_name)
        .join(people, people.c.person_id == guardianships.c.guardian_id)
        .where(guardianships.c.student_id == student_id, guardianships.c.is_active)
        .order_by(guardianships.c.guardianship_id)
    )
    return [dict(row) for row in session.execute(query).mappings()]


def _bring_into_force(uow: UnitOfWork, guardianship: Row, today: date) -> bool:
    """Make the guardianship what its orders leave today, and say so if that is a change."""
    guardianship_id = guardianship["guardianship_id"]
    orders = orders_of(uow.session, [guardianship["student_id"]]).get(guardianship_id, [])
    left = standing(orders, today)
    if (left.barred, list(left.rights)) == (guardianship["barred"], guardianship["rights"]):
        return False
    version = guardianship["version"] + 1
    uow.session.execute(
        guardianships.update()
        .where(guardianships.c.guardianship_id == guardianship_id)
        .values(barred=left.barred, rights=list(left.rights), version=version)
    )
    event = GuardianshipRestricted(
        guardianship_id=guardianship_id,
        guardian_id=guardianship["guardian_id"],
        student_id=guardianship["student_id"],
        barred=left.barred,
        rights=left.rights,
    )
    envelope = uow.emit(event, version=version)
    # The roster's own access projection hears of it in this transaction, without waiting for the event to come round.
    on_guardianship_restricted(Received(event, envelope), uow=uow)
    return True


def _change(uow: UnitOfWork, row: Row, **values: Any) -> None:
    statement = court_orders.update().where(court_orders.c.order_id == row["order_id"])
    uow.session.execute(statement.values(version=row["version"] + 1, **values))


def _locked_guardianship(session: Session, guardianship_id: UUID) -> Row:
    query = select(guardianships).where(guardianships.c.guardianship_id == guardianship_id).with_for_update()
    row = session.execute(query).mappings().first()
    if row is None:
        raise NotFound
    return dict(row)


def _locked_order(session: Session, order_id: UUID) -> tuple[Row, Row]:
    """An order and its guardianship, the guardianship locked first as everywhere."""
    guardianship = _locked_guardianship(session, read_order(session, order_id)["guardianship_id"])
    row = (
        session.execute(select(court_orders).where(court_orders.c.order_id == order_id).with_for_update())
        .mappings()
        .one()
    )
    return dict(row), guardianship
