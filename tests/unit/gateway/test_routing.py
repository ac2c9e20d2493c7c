"""Where a path goes, by the one routing table."""

import pytest

from services.gateway.proxy.rules import RoutingTable

STUDENT = "/v1/students/0c9f0c1e-3a52-5a06-9a52-54c7f8d7c111"


class TestRoutingTable:
    @pytest.mark.parametrize(
        ("path", "service"),
        [
            ("/v1/me", "roster"),
            ("/v1/me/contact", "roster"),
            ("/v1/students", "roster"),
            (STUDENT, "roster"),
            (f"{STUDENT}/guardians/x", "roster"),
            (f"{STUDENT}/contacts", "roster"),
            ("/v1/restrictions/1", "roster"),
            ("/v1/roster/dead-letters", "roster"),
            (f"{STUDENT}/plan", "plans"),
            (f"{STUDENT}/plan/changes", "plans"),
            ("/v1/plans/dead-letters", "plans"),
            ("/v1/courses/ENG9", "catalog"),
            ("/v1/requirement-sets", "catalog"),
            ("/v1/clusters", "catalog"),
            ("/v1/catalog/dead-letters", "catalog"),
            (f"{STUDENT}/matches", "mentorship"),
            ("/v1/matches/1/approve", "mentorship"),
            ("/v1/partners", "mentorship"),
            ("/v1/relationship-files/1", "mentorship"),
            ("/v1/notices", "notifications"),
            ("/v1/tasks/1", "notifications"),
            ("/v1/links/abc", "notifications"),
            ("/v1/sms/status", "notifications"),
        ],
    )
    def test_sends_each_path_to_its_owner(self, path: str, service: str) -> None:
        found = RoutingTable().find(path)

        assert found is not None
        assert found.service == service

    @pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/", "/v1/meadow"])
    def test_sends_an_unknown_path_nowhere(self, path: str) -> None:
        assert RoutingTable().find(path) is None

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/links/../students",
            "/v1/links/%2e%2e/students",
            "/v1/links/..%2Fstudents",
            "/v1/students/%2E%2E/tasks",
            "/v1//students",
            "/v1/links/./x",
        ],
    )
    def test_refuses_paths_that_two_servers_could_read_differently(self, path: str) -> None:
        assert RoutingTable().find(path) is None

    def test_needs_no_token_for_links_and_sms_callbacks_alone(self) -> None:
        table = RoutingTable()

        assert {path: found.is_public for path in ("/v1/links/t", "/v1/sms/status") if (found := table.find(path))} == {
            "/v1/links/t": True,
            "/v1/sms/status": True,
        }
        assert not any(found.is_public for path in ("/v1/me", "/v1/courses") if (found := table.find(path)))

    def test_refuses_a_pattern_declared_twice(self) -> None:
        with pytest.raises(ValueError, match="belongs to a already"):
            RoutingTable({"a": ("/v1/x",), "b": ("/v1/x",)})
