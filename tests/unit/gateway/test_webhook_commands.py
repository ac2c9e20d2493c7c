"""`signpost webhooks`."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from services.gateway.commands import webhooks_app
from tests.unit.gateway.webhooks import OWNER, Hooks, hooks_in


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hooks]:
    for name in ("AMQP_URL", "DATABASE_URL", "KEYS_FILE"):
        monkeypatch.delenv(f"SIGNPOST_{name}", raising=False)
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path))
    with hooks_in(tmp_path) as opened:
        yield opened


def run(*arguments: str, fails: bool = False) -> str:
    done = CliRunner().invoke(webhooks_app, list(arguments))
    assert (done.exit_code != 0) == fails, done.output
    return done.output


def test_from_adding_to_disabling(hooks: Hooks) -> None:
    assert "signpost webhooks add" in run("list")
    told = run("add", "https://hooks.example.org/", "--owner", str(OWNER.person_id), "--events", "plans.plan.*")
    endpoint = told.split()[1]
    assert hooks.secret(UUID(endpoint)) in told

    assert "queued" in run("test", endpoint)
    event_id = hooks.happens()
    assert run("resend", endpoint, "--event", event_id) == "1 queued\n"
    assert run("resend", endpoint, "--since", "2026-09-01") == "0 queued\n"  # it is queued already
    assert "disabled" in run("disable", endpoint)
    assert "disabled" in run("list")
    assert "https://hooks.example.org/" in run("list")
    assert "resume" in run("test", endpoint, fails=True)
    assert set(hooks.states(UUID(endpoint)).values()) == {"failed"}


def test_says_what_is_wrong(hooks: Hooks) -> None:
    owner = str(OWNER.person_id)
    assert "https" in run("add", "http://hooks.example.org/", "--owner", owner, "--events", "*", fails=True)
    assert "fits no event" in run("add", "https://a.example/", "--owner", owner, "--events", "no.such", fails=True)
    assert "no such endpoint" in run("test", owner, fails=True)
    assert "--event" in run("resend", owner, fails=True)
