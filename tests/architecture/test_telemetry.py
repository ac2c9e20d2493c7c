"""Alerts and dashboard speak of metrics that exist, with labels that exist."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from prometheus_client import Counter, Gauge, Histogram

from services.composition import SERVICES
from shared.telemetry import metrics
from tests.support.deployment import REPOSITORY

METRICS = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
PROMETHEUS_OWN = {"up"}  # made by the scrape itself
LABELS_OF_PROMETHEUS = {"le", "job", "instance"}
NAME = re.compile(r"\b(?:signpost_\w+|up)\b")


def exposed(metric: Counter | Gauge | Histogram) -> set[str]:
    """The names under which a metric is scraped; a counter is scraped with `_total` alone."""
    [family] = metric.describe()
    match metric:
        case Counter():
            return {f"{family.name}_total"}
        case Histogram():
            return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return {family.name}


EXPOSED = set().union(*map(exposed, METRICS))
LABELS = {label for metric in METRICS for label in metric._labelnames} | LABELS_OF_PROMETHEUS


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    board = json.loads((REPOSITORY / "deploy" / "grafana" / "dashboards" / "signpost.json").read_text(encoding="utf-8"))
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_only_metrics_that_exist_are_asked_for() -> None:
    asked = {name for expression in expressions() for name in NAME.findall(expression)}

    assert asked
    assert asked - EXPOSED - PROMETHEUS_OWN == set()


def test_only_labels_that_exist_are_grouped_by() -> None:
    for expression in expressions():
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
        matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|=|!=)", expression))
        assert (grouped | matched) <= LABELS, expression


def test_every_alert_says_what_to_do() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "action"}, rule["alert"]
        for page in re.findall(r"docs/[\w/.-]+\.md", rule["annotations"]["action"]):
            assert (REPOSITORY / page).exists(), page


def test_what_must_not_go_unnoticed_raises_an_alert() -> None:
    asked = " ".join(rule["expr"] for rule in alerts())

    for metric in (
        metrics.OUTBOX_LAG_S,
        metrics.DEAD_LETTERS,
        metrics.PARKED,
        metrics.QUEUE_AGE_S,
        metrics.HTTP_REQUESTS,
        metrics.PUBLISH_FAILURES,
        metrics.MESSAGES_SENT,
    ):
        assert any(name in asked for name in exposed(metric)), metric


def test_every_process_is_scraped() -> None:
    document = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    scraped = {
        name for job in document["scrape_configs"] for discovery in job["dns_sd_configs"] for name in discovery["names"]
    }

    assert scraped >= {f"{service}-{process}" for service in SERVICES for process in ("api", "worker")}
