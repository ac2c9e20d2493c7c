"""docker-compose.yml: valid by the compose schema, and what no schema can say of it."""

import copy
from typing import Any

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import ValidationError
from jsonschema.validators import validator_for
from sqlalchemy.engine import make_url

from services.composition import BEHIND_GATEWAY, SERVICES, settings_for
from shared.testing.databases import embedded_settings
from tests.support.deployment import INTERPOLATION, REPOSITORY, compose, interpolated

COMPOSE = compose()
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: part for name, part in PARTS.items() if str(part["image"]).startswith("signpost:")}
APIS = {service: PARTS[f"{service}-api"] for service in SERVICES}
WORKERS = {service: PARTS[f"{service}-worker"] for service in SERVICES}
JOBS = {name for name, part in OURS.items() if part["restart"] == "no"}
WITHOUT_HEALTHCHECK = {
    "collector": "its image holds one binary, and nothing to ask it with; nothing waits for it",
    "tempo": "the same, and its traces are for looking at alone",
}
NEED_KEYS = {
    "roster-api",
    "mentorship-api",
    "notifications-api",
    "notifications-worker",
    "gateway-api",
    "gateway-worker",
    "mailbox",
}


def variables_of(part: dict[str, Any]) -> dict[str, str]:
    """A part's environment as compose would hand it over, with `x` for every secret."""
    names = {found["name"] for found in INTERPOLATION.finditer(str(COMPOSE))}
    given = {name: "x" for name in names if name.endswith("_PASSWORD")}
    given |= {"SIGNPOST_SMTP_URL": "smtp://mailbox:1025", "SIGNPOST_SMS_URL": "http://mailbox:8025"}
    return {name: interpolated(str(value), given) for name, value in part["environment"].items() if value is not None}


class TestSchema:
    def test_the_file_is_valid(self) -> None:
        schema = get_builtin_schema("vendor.compose-spec")

        validator_for(schema)(schema).validate(COMPOSE)

    def test_the_schema_would_notice_a_mistake(self) -> None:
        schema = get_builtin_schema("vendor.compose-spec")
        broken = copy.deepcopy(COMPOSE)
        broken["services"]["plans-api"]["healthchek"] = broken["services"]["plans-api"].pop("healthcheck")

        with pytest.raises(ValidationError):
            validator_for(schema)(schema).validate(broken)

    def test_all_that_is_referred_to_exists(self) -> None:
        for name, part in PARTS.items():
            assert set(part.get("networks", ())) <= set(COMPOSE["networks"]), name
            assert set(part.get("secrets", ())) <= set(COMPOSE["secrets"]), name
            assert set(part.get("depends_on", ())) <= set(PARTS), name
            for volume in part.get("volumes", ()):
                source = volume.partition(":")[0]
                assert source in COMPOSE["volumes"] or (REPOSITORY / source).exists(), f"{name}: {volume}"


@pytest.mark.parametrize("service", SERVICES)
class TestEachService:
    def test_has_an_api_a_worker_and_a_migration_job(self, service: str) -> None:
        assert APIS[service]["command"] == ["api", service]
        assert WORKERS[service]["command"] == ["worker", service]
        assert PARTS[f"migrate-{service}"]["command"] == ["migrate", service]
        assert f"migrate-{service}" in JOBS

    def test_waits_for_what_it_needs(self, service: str) -> None:
        for part in (APIS[service], WORKERS[service]):
            assert part["depends_on"][f"migrate-{service}"]["condition"] == "service_completed_successfully"
        assert WORKERS[service]["depends_on"]["rabbitmq"]["condition"] == "service_healthy"
        assert WORKERS[service]["depends_on"]["postgres"]["condition"] == "service_healthy"
        assert WORKERS[service]["depends_on"]["topology"]["condition"] == "service_completed_successfully"
        assert PARTS[f"migrate-{service}"]["depends_on"]["postgres"]["condition"] == "service_healthy"

    def test_has_a_database_and_a_role_of_its_own(self, service: str) -> None:
        addresses = {
            make_url(variables_of(PARTS[part])["SIGNPOST_DATABASE_URL"])
            for part in (f"{service}-api", f"{service}-worker", f"migrate-{service}")
        }

        assert len(addresses) == 1
        address = addresses.pop()
        assert (address.username, address.database) == (f"signpost_{service}", f"signpost_{service}")

    def test_the_postgres_script_is_given_its_password(self, service: str) -> None:
        variable = f"SIGNPOST_{service.upper()}_DB_PASSWORD"

        assert variable in PARTS["postgres"]["environment"]
        assert f"${{{variable}}}" in APIS[service]["environment"]["SIGNPOST_DATABASE_URL"]

    def test_only_the_worker_reaches_the_broker(self, service: str) -> None:
        assert "SIGNPOST_AMQP_URL" in WORKERS[service]["environment"]
        assert "SIGNPOST_AMQP_URL" not in APIS[service]["environment"]
        assert "broker" not in APIS[service]["networks"]

    def test_scales_alone(self, service: str) -> None:
        for part in (APIS[service], WORKERS[service]):
            assert "container_name" not in part
            assert "hostname" not in part
        assert "ports" not in WORKERS[service]
        if service != "gateway":
            assert "ports" not in APIS[service]


class TestTheWhole:
    def test_no_two_services_share_a_database_or_a_password(self) -> None:
        urls = [APIS[service]["environment"]["SIGNPOST_DATABASE_URL"] for service in SERVICES]

        assert len(set(urls)) == len(SERVICES)

    def test_every_long_running_part_has_a_healthcheck(self) -> None:
        without = {name for name, part in PARTS.items() if "healthcheck" not in part} - JOBS

        assert without == set(WITHOUT_HEALTHCHECK)
        assert {name for name in without if not PARTS[name].get("profiles")} == set()

    def test_every_part_has_a_limit_and_comes_back(self) -> None:
        for name, part in PARTS.items():
            assert part["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory"}, name
            assert part["restart"] == ("no" if name in JOBS else "unless-stopped"), name

    def test_our_processes_own_nothing_they_do_not_need(self) -> None:
        for name, part in OURS.items():
            assert part["read_only"] is True, name
            assert part["cap_drop"] == ["ALL"], name
            assert part["security_opt"] == ["no-new-privileges:true"], name
            assert not interpolated(part["user"], {}).startswith("0"), name

    def test_keys_are_handed_to_those_that_sign_seal_or_open(self) -> None:
        assert {name for name, part in PARTS.items() if "signpost_keys" in part.get("secrets", ())} == NEED_KEYS
        for name in NEED_KEYS:
            assert PARTS[name]["environment"]["SIGNPOST_KEYS_FILE"] == "/run/secrets/signpost_keys"

    def test_the_gateway_is_told_where_every_service_is(self) -> None:
        environment = variables_of(APIS["gateway"])

        for service in BEHIND_GATEWAY:
            assert environment[f"SIGNPOST_{service.upper()}_URL"] == f"http://{service}-api:8080"
            assert APIS["gateway"]["depends_on"][f"{service}-api"] == {
                "condition": "service_healthy",
                "required": False,
            }

    def test_every_setting_exists(self) -> None:
        for name, part in OURS.items():
            service = part["command"][1] if len(part["command"]) > 1 else "notifications"
            owner = service if service in SERVICES else "notifications"
            fields = type(settings_for(owner, embedded_settings(REPOSITORY))).model_fields
            known = {f"SIGNPOST_{field.upper()}" for field in fields}
            assert set(part["environment"]) <= known, f"{name}: {set(part['environment']) - known}"

    def test_no_secret_has_a_default(self) -> None:
        secret = [found for found in INTERPOLATION.finditer(str(COMPOSE)) if "PASSWORD" in found["name"]]

        assert secret
        assert all(found["operator"] in (":?", None) for found in secret)
        assert not {found["name"] for found in secret} - _required()

    def test_the_example_names_every_variable_that_must_be_set(self) -> None:
        example = (REPOSITORY / "deploy" / "env.example").read_text(encoding="utf-8")

        for name in _required():
            assert f"\n{name}=" in example, name


def _required() -> set[str]:
    return {found["name"] for found in INTERPOLATION.finditer(str(COMPOSE)) if found["operator"] == ":?"}
