"""Telephone numbers and addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.roster.contact_points import e164, email_address


class TestE164:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("(605) 555-0123", "+16055550123"),
            ("605.555.0123", "+16055550123"),
            ("+52 55 1234 5678", "+525512345678"),
            # An area code that is not assigned: well formed, and whether it is in service is not ours to say.
            ("(950) 342 7522", "+19503427522"),
        ],
    )
    def test_brings_numbers_to_one_form(self, text: str, number: str) -> None:
        assert e164(text, region="US") == number

    @pytest.mark.parametrize("text", ["603121567", "60312323567", "none", "", "555-0123"])
    def test_recognises_malformed_ones(self, text: str) -> None:
        assert e164(text, region="US") is None

    @given(st.from_regex(r"[2-9]\d{9}", fullmatch=True))
    def test_is_stable(self, digits: str) -> None:
        once = e164(digits, region="US")

        assert once is None or e164(once, region="US") == once


class TestEmailAddress:
    def test_lowers_the_domain_alone(self) -> None:
        assert email_address("Jo.Doe@Example.ORG") == "Jo.Doe@example.org"

    @pytest.mark.parametrize(
        "text",
        ["De Leon@example.com", "a@b", "a@@example.org", "@example.org", "a.@example.org", "a@-b.org", "x" * 255],
    )
    def test_recognises_malformed_ones(self, text: str) -> None:
        assert email_address(text) is None
