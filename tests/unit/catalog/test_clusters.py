"""The sixteen career clusters."""

import pytest

from services.catalog.clusters.rules import CLUSTERS, cluster_named


class TestClusters:
    def test_are_sixteen_each_with_its_own_name_and_slug(self) -> None:
        assert len({each.name for each in CLUSTERS}) == len({each.slug for each in CLUSTERS}) == 16

    def test_share_no_name_with_another(self) -> None:
        owners: dict[str, set[str]] = {}
        for each in CLUSTERS:
            for name in (each.name, each.slug, *each.also):
                owners.setdefault(name.casefold(), set()).add(each.slug)

        assert [name for name, slugs in owners.items() if len(slugs) > 1] == []

    def test_say_in_a_sentence_what_they_are(self) -> None:
        assert all(each.about.endswith(".") for each in CLUSTERS)


class TestClusterNamed:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Health Science", "health"),
            ("stem", "stem"),
            (" Business  and Finance ", "business"),
            ("MARKETING", "marketing"),
        ],
    )
    def test_knows_official_and_common_names(self, name: str, slug: str) -> None:
        found = cluster_named(name)

        assert found is not None
        assert found.slug == slug

    def test_knows_no_others(self) -> None:
        assert cluster_named("Sorcery") is None
