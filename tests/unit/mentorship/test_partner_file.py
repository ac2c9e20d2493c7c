"""Reading partner files, and what importing one changes."""

import pytest

from services.mentorship.partners.rules import (
    COLUMNS,
    MAX_FAULTS,
    Contact,
    Partner,
    PartnersRefused,
    parse_partners,
    plan_import,
)

HEADER = ",".join(COLUMNS)
CLINIC = "clinic,Prairie Clinic,Ana Ruiz,ana@example.org,605-555-0123,Health Science;Human Services,en;es,4,true"


def file_of(*lines: str) -> bytes:
    return "\r\n".join([HEADER, *lines, ""]).encode()


def faults_of(content: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(PartnersRefused) as refused:
        parse_partners(content, file="partners.csv")
    return [(fault.line, fault.column, fault.value) for fault in refused.value.faults]


def partner(key: str = "clinic", *, capacity: int = 4, is_active: bool = True) -> Partner:
    return Partner(
        key=key,
        organization="Prairie Clinic",
        contact=Contact("Ana Ruiz", "ana@example.org", "+16055550123"),
        clusters=("Health Science", "Human Services"),
        languages=("en", "es"),
        capacity=capacity,
        is_active=is_active,
    )


class TestParsePartners:
    def test_reads_a_partner(self) -> None:
        assert parse_partners(file_of(CLINIC), file="partners.csv") == (partner(),)

    def test_reads_a_byte_order_mark_and_columns_in_another_order(self) -> None:
        header, *_ = HEADER.split(",")
        reordered = ",".join([*COLUMNS[1:], header])
        line = ",".join([*CLINIC.split(",")[1:], "clinic"])

        read = parse_partners(f"\ufeff{reordered}\n{line}\n".encode(), file="partners.csv")

        assert read == (partner(),)

    def test_reads_cluster_names_in_any_spelling(self) -> None:
        line = CLINIC.replace("Health Science;Human Services", "health science;Hospitality and Tourism;STEM")

        (read,) = parse_partners(file_of(line), file="partners.csv")

        assert read.clusters == (
            "Health Science",
            "Hospitality & Tourism",
            "Science, Technology, Engineering & Mathematics",
        )

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("partner_key", ""),
            ("partner_key", "two words"),
            ("organization", ""),
            ("contact_email", "nobody"),
            ("contact_phone", "12"),
            ("clusters", "Wizardry"),
            ("clusters", ""),
            ("languages", "spanish"),
            ("languages", ""),
            ("capacity", "-1"),
            ("capacity", "many"),
            ("capacity", "501"),
            ("capacity", "٣"),
            ("active", "yes"),
        ],
    )
    def test_refuses_a_value_and_says_where(self, column: str, value: str) -> None:
        cells = dict(zip(COLUMNS, CLINIC.split(","), strict=True)) | {column: value}

        assert faults_of(file_of(CLINIC.replace("clinic,", "other,"), ",".join(cells.values()))) == [(3, column, value)]

    def test_suggests_the_nearest_cluster(self) -> None:
        line = CLINIC.replace("Health Science;", "Helth Science;")

        with pytest.raises(PartnersRefused, match="'Health Science' in place of 'Helth Science'"):
            parse_partners(file_of(line), file="partners.csv")

    def test_tells_of_every_fault_at_once(self) -> None:
        line = CLINIC.replace("ana@example.org", "nobody").replace(",4,", ",x,")

        assert [column for _, column, _ in faults_of(file_of(line))] == ["contact_email", "capacity"]

    def test_refuses_a_partner_nobody_can_reach(self) -> None:
        line = CLINIC.replace("ana@example.org", "").replace("605-555-0123", "")

        assert faults_of(file_of(line)) == [(2, "contact_email", "")]

    def test_refuses_a_key_used_twice(self) -> None:
        assert faults_of(file_of(CLINIC, CLINIC)) == [(3, "partner_key", "clinic")]

    def test_refuses_a_file_without_partners(self) -> None:
        assert faults_of(file_of()) == [(2, "partner_key", "")]

    def test_refuses_missing_unknown_and_repeated_columns(self) -> None:
        content = HEADER.replace("capacity", "seats").encode() + b",active\n"

        assert {column for _, column, _ in faults_of(content)} == {"capacity", "seats", "active"}

    def test_refuses_an_empty_file(self) -> None:
        assert {line for line, _, _ in faults_of(b"")} == {1}

    def test_refuses_a_row_with_too_few_values(self) -> None:
        assert faults_of(file_of("clinic,Prairie Clinic")) == [(2, "(row)", "2 values")]

    def test_refuses_another_encoding(self) -> None:
        content = file_of(CLINIC) + CLINIC.replace("Ana", "Añ").encode("latin-1")

        assert faults_of(content) == [(3, "(any)", "byte 0xf1")]

    def test_refuses_an_unclosed_quote(self) -> None:
        ((_, column, _),) = faults_of(file_of(CLINIC, 'x,"never closed'))

        assert column == "(row)"

    def test_stops_listing_faults_somewhere(self) -> None:
        assert len(faults_of(file_of(*["x"] * 500))) == MAX_FAULTS


class TestPlanImport:
    def test_adds_the_unknown(self) -> None:
        plan = plan_import([partner()], {})

        assert plan.added == (partner().partner_id,)
        assert not plan.is_empty

    def test_changes_nothing_the_second_time(self) -> None:
        plan = plan_import([partner()], {partner().partner_id: partner()})

        assert plan.is_empty
        assert plan.unchanged == 1

    def test_sees_a_change(self) -> None:
        plan = plan_import([partner(capacity=5)], {partner().partner_id: partner()})

        assert plan.changed == (partner().partner_id,)
        assert plan.left == ()

    def test_lets_the_unlisted_leave(self) -> None:
        plan = plan_import([partner("other")], {partner().partner_id: partner()})

        assert plan.left == (partner().partner_id,)

    def test_lets_those_listed_as_inactive_leave(self) -> None:
        plan = plan_import([partner(is_active=False)], {partner().partner_id: partner()})

        assert plan.left == plan.changed == (partner().partner_id,)

    def test_lets_nobody_leave_twice(self) -> None:
        plan = plan_import([partner("other")], {partner().partner_id: partner(is_active=False)})

        assert plan.left == ()
