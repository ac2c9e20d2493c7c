"""What a partner file must look like, and what importing one changes."""

import csv
import difflib
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import phonenumbers

from services.mentorship.partners.clusters import CLUSTERS, canonical_cluster
from shared.identifiers import stable_id

Value = TypeVar("Value")

COLUMNS = (
    "partner_key",
    "organization",
    "contact_name",
    "contact_email",
    "contact_phone",
    "clusters",
    "languages",
    "capacity",
    "active",
)
MAX_CAPACITY = 500
MAX_KEY_LENGTH = 100
MAX_TEXT_LENGTH = 200
MAX_FAULTS = 50
REGION_OF_LOCAL_NUMBERS = "US"

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
# Language, optional script, optional region: all a person is written to in. Source: RFC 5646, section 2.1.
_LANGUAGE_TAG = re.compile(r"(?P<language>[A-Za-z]{2,3})(-(?P<script>[A-Za-z]{4}))?(-(?P<region>[A-Za-z]{2}|\d{3}))?")


@dataclass(frozen=True)
class Contact:
    """Whom to reach at a partner. Personal data: kept sealed, never in an event."""

    name: str
    email: str | None
    phone: str | None


@dataclass(frozen=True)
class Partner:
    """One community partner as the district lists it. `capacity` is students at once."""

    key: str
    organization: str
    contact: Contact
    clusters: tuple[str, ...]
    languages: tuple[str, ...]
    capacity: int
    is_active: bool

    @property
    def partner_id(self) -> UUID:
        return stable_id("partner", self.key)


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a file, and what would be right."""

    file: str
    line: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}, column {self.column}"
        return f"{place}: {self.value!r} is not right; expected {self.expected}"


class PartnersRefused(Exception):
    """The partner file was refused as a whole; nothing was changed."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class _Unfit(Exception):
    """A cell's value is not right; the message says what would be."""


@dataclass(frozen=True)
class ImportPlan:
    """What an import changes, by partner id. `left` are active partners that the file lists no more, or as inactive."""

    added: tuple[UUID, ...]
    changed: tuple[UUID, ...]
    left: tuple[UUID, ...]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.left)


def plan_import(listed: Iterable[Partner], known: Mapping[UUID, Partner]) -> ImportPlan:
    """Compare the partners a file lists with those known; who is not listed any more has left."""
    by_id = {partner.partner_id: partner for partner in listed}
    added = [partner_id for partner_id in by_id if partner_id not in known]
    changed = [partner_id for partner_id, partner in by_id.items() if known.get(partner_id, partner) != partner]
    left = [
        partner_id
        for partner_id, partner in known.items()
        if partner.is_active and not (partner_id in by_id and by_id[partner_id].is_active)
    ]
    return ImportPlan(
        added=tuple(added),
        changed=tuple(changed),
        left=tuple(sorted(left)),
        unchanged=len(by_id) - len(added) - len(changed),
    )


def parse_partners(content: bytes, *, file: str) -> tuple[Partner, ...]:
    """
    Read a partner file: UTF-8 CSV with a header row holding exactly `COLUMNS`, in any order.

    Clusters and languages are lists with `;` between their items.

    Raises:
        PartnersRefused: With every fault found, at most `MAX_FAULTS`.
    """
    reader = csv.reader(io.StringIO(_decoded(content, file=file), newline=""), strict=True)
    faults: list[Fault] = []
    partners: dict[str, Partner] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(header, file=file)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            row = _Row(file, reader.line_num, faults)
            partner = row.partner(header, cells)
            if partner is not None and partner.key in partners:
                row.fault("partner_key", partner.key, "a key that no earlier line has")
            elif partner is not None:
                partners[partner.key] = partner
    except csv.Error as error:
        faults.append(Fault(file, reader.line_num, "(row)", str(error), "a row quoted as RFC 4180 says"))
    if not partners and not faults:
        faults.append(Fault(file, 2, "partner_key", "", "at least one partner; an empty file would remove all of them"))
    if faults:
        raise PartnersRefused(faults[:MAX_FAULTS])
    return tuple(partners.values())


def _decoded(content: bytes, *, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        value = content[error.start : error.start + 1].hex()
        raise PartnersRefused([Fault(file, line, "(any)", f"byte 0x{value}", "text encoded as UTF-8")]) from None


def _check_header(header: list[str], *, file: str) -> None:
    wanted = ",".join(COLUMNS)
    faults = [Fault(file, 1, name, "", "this column to be present") for name in COLUMNS if name not in header]
    faults += [Fault(file, 1, name or "(blank)", name, f"only {wanted}") for name in header if name not in COLUMNS]
    faults += [
        Fault(file, 1, name, name, "each column once")
        for position, name in enumerate(header)
        if name in COLUMNS and name in header[:position]
    ]
    if faults:
        raise PartnersRefused(faults)


class _Row:
    """One line being read; notes its faults instead of stopping at the first."""

    def __init__(self, file: str, line: int, faults: list[Fault]) -> None:
        self._file = file
        self._line = line
        self._faults = faults

    def fault(self, column: str, value: str, expected: str) -> None:
        self._faults.append(Fault(self._file, self._line, column, value, expected))

    def partner(self, header: list[str], cells: list[str]) -> Partner | None:
        """The partner of this line, or None if anything in it is not right."""
        if len(cells) != len(header):
            self.fault("(row)", f"{len(cells)} values", f"{len(header)} values, one per column of the header")
            return None
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        before = len(self._faults)
        partner = Partner(
            key=self._read(row, "partner_key", _key, ""),
            organization=self._read(row, "organization", _required_text, ""),
            contact=Contact(
                name=self._read(row, "contact_name", _text, ""),
                email=self._read(row, "contact_email", _email, None),
                phone=self._read(row, "contact_phone", _phone, None),
            ),
            clusters=self._read(row, "clusters", _clusters, ()),
            languages=self._read(row, "languages", _languages, ()),
            capacity=self._read(row, "capacity", _capacity, 0),
            is_active=self._read(row, "active", _boolean, False),
        )
        if not row["contact_email"] and not row["contact_phone"]:
            self.fault("contact_email", "", "an email address, or a number in contact_phone")
        return partner if len(self._faults) == before else None

    def _read(self, row: Mapping[str, str], column: str, convert: Callable[[str], Value], otherwise: Value) -> Value:
        try:
            return convert(row[column])
        except _Unfit as unfit:
            self.fault(column, row[column], str(unfit))
            return otherwise


def _text(value: str) -> str:
    if len(value) > MAX_TEXT_LENGTH:
        raise _Unfit(f"at most {MAX_TEXT_LENGTH} characters")
    return value


def _required_text(value: str) -> str:
    if not value:
        raise _Unfit("a value")
    return _text(value)


def _key(value: str) -> str:
    if not value or len(value) > MAX_KEY_LENGTH or re.search(r"\s", value):
        raise _Unfit(f"1 to {MAX_KEY_LENGTH} characters without spaces, the same for this partner for ever")
    return value


def _email(value: str) -> str | None:
    if value and not _EMAIL.fullmatch(value):
        raise _Unfit("an email address such as name@example.org, or nothing")
    return value or None


def _phone(value: str) -> str | None:
    if not value:
        return None
    try:
        number = phonenumbers.parse(value, REGION_OF_LOCAL_NUMBERS)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise _Unfit("a telephone number such as +16055550123, or nothing")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(";") if item.strip()]


def _clusters(value: str) -> tuple[str, ...]:
    names = _listed(value)
    if not names:
        raise _Unfit("at least one career cluster; several with `;` between")
    return tuple(sorted({_cluster(name) for name in names}))


def _cluster(name: str) -> str:
    cluster = canonical_cluster(name)
    if cluster is None:
        near = difflib.get_close_matches(name, CLUSTERS, n=1, cutoff=0.5)
        if near:
            raise _Unfit(f"{near[0]!r} in place of {name!r}")
        raise _Unfit(f"career clusters; {name!r} is none of {'; '.join(CLUSTERS)}")
    return cluster


def _languages(value: str) -> tuple[str, ...]:
    tags = _listed(value)
    if not tags:
        raise _Unfit("at least one language tag such as en; several with `;` between")
    return tuple(sorted({_language_tag(tag) for tag in tags}))


def _language_tag(tag: str) -> str:
    match = _LANGUAGE_TAG.fullmatch(tag)
    if match is None:
        raise _Unfit(f"BCP 47 tags such as en, es or zh-Hant; {tag!r} is none")
    parts = (match["language"].lower(), (match["script"] or "").title(), (match["region"] or "").upper())
    return "-".join(part for part in parts if part)


def _capacity(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 6 or int(value) > MAX_CAPACITY:
        raise _Unfit(f"a whole number of students from 0 to {MAX_CAPACITY}")
    return int(value)


def _boolean(value: str) -> bool:
    if value.casefold() not in ("true", "false"):
        raise _Unfit("true or false")
    return value.casefold() == "true"
