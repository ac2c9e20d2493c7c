"""The token in an acknowledge link."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.links.rules import AcknowledgeLink, LinkExpired, LinkInvalid, read_link, sign_link

KEY = "k" * 48
NOW = datetime(2026, 9, 15, 15, tzinfo=UTC)
LINK = AcknowledgeLink(uuid4(), uuid4(), uuid4(), NOW + timedelta(days=30))


class TestSignLink:
    def test_is_read_back(self) -> None:
        assert read_link(sign_link(LINK, KEY), KEY, now=NOW) == LINK

    def test_gives_the_same_token_for_the_same_link(self) -> None:
        assert sign_link(LINK, KEY) == sign_link(LINK, KEY)

    def test_is_short_for_a_signed_one_as_sms_are_billed_by_length(self) -> None:
        assert len(sign_link(LINK, KEY)) <= 260


class TestReadLink:
    def test_refuses_an_expired_one_as_gone(self) -> None:
        with pytest.raises(LinkExpired) as refusal:
            read_link(sign_link(LINK, KEY), KEY, now=LINK.expires_at)

        assert refusal.value.status == 410

    def test_refuses_one_signed_with_another_key(self) -> None:
        with pytest.raises(LinkInvalid) as refusal:
            read_link(sign_link(LINK, "z" * 48), KEY, now=NOW)

        assert refusal.value.status == 404

    @pytest.mark.parametrize(
        "claims",
        [
            {"purpose": "sign_in"},
            {"purpose": None},
            {"notice": "short"},
            {"notice": 7},
            {"person": None},
            {"exp": "soon"},
            {"exp": 10**18},
        ],
    )
    def test_refuses_other_claims(self, claims: dict[str, object]) -> None:
        right = jwt.decode(sign_link(LINK, KEY), KEY, algorithms=["HS256"], options={"verify_exp": False})
        other = jwt.encode(right | claims, KEY, algorithm="HS256")

        with pytest.raises(LinkInvalid):
            read_link(other, KEY, now=NOW)

    def test_refuses_an_unsigned_one(self) -> None:
        claims = jwt.decode(sign_link(LINK, KEY), options={"verify_signature": False})

        with pytest.raises(LinkInvalid):
            read_link(jwt.encode(claims, None, algorithm="none"), KEY, now=NOW)

    @given(st.text(max_size=300))
    def test_refuses_anything_else(self, token: str) -> None:
        with pytest.raises(LinkInvalid):
            read_link(token, KEY, now=NOW)
