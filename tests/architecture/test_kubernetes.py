"""The Kubernetes manifests: valid by the API's own schemas, and complete for every service."""

import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from services.composition import SERVICES, consumer_groups
from shared.messaging.rabbitmq.topology import Topology
from shared.settings import Settings
from tests.support.deployment import KUBERNETES, REPOSITORY, manifests

VERSION = "1.31"
KUSTOMIZE = ("Kustomization", "Component", None)
NEED_KEYS = {
    "roster-api",
    "mentorship-api",
    "notifications-api",
    "notifications-worker",
    "gateway-api",
    "gateway-worker",
}


def validate(document: dict[str, Any]) -> None:
    """
    Raises:
        AssertionError, ValidationError: Not what its kind must be. KEDA's kinds are looked at by hand.
    """
    if not document["apiVersion"].startswith("keda.sh/"):
        kubernetes_validate.validate(document, VERSION, strict=True)
    elif document["kind"] == "ScaledObject":
        spec = document["spec"]
        assert spec.keys() <= {
            "scaleTargetRef",
            "minReplicaCount",
            "maxReplicaCount",
            "pollingInterval",
            "cooldownPeriod",
            "triggers",
        }
        assert spec["minReplicaCount"] >= 1, "the worker is also the relay"
        for trigger in spec["triggers"]:
            assert all(isinstance(value, str) for value in trigger["metadata"].values())
    else:
        assert document["kind"] == "TriggerAuthentication"
        assert document["spec"]["secretTargetRef"][0].keys() == {"parameter", "name", "key"}


class TestFiles:
    @pytest.mark.parametrize(
        "document",
        [
            pytest.param(document, id=f"{path.relative_to(KUBERNETES)}-{document['metadata']['name']}")
            for path, document in manifests()
            if document.get("kind") not in KUSTOMIZE
        ],
    )
    def test_are_valid(self, document: dict[str, Any]) -> None:
        validate(document)

    def test_every_file_is_listed_in_its_folder(self) -> None:
        for path, document in manifests():
            if path.name != "kustomization.yaml":
                continue
            listed = {*document.get("resources", ()), *document.get("configurations", ())}
            beside = {each.name for each in path.parent.glob("*.yaml")} - {"kustomization.yaml"}
            assert beside <= listed, path
            assert all((path.parent / each).exists() for each in listed | set(document.get("components", ()))), path

    @pytest.mark.parametrize("service", SERVICES)
    def test_each_service_has_its_name_database_and_queue(self, service: str) -> None:
        text = (KUBERNETES / service / "kustomization.yaml").read_text(encoding="utf-8")
        document = yaml.safe_load(text)

        assert document["namePrefix"] == f"{service}-"
        assert document["labels"][0]["pairs"]["app.kubernetes.io/name"] == service
        assert f"value: {service}-database" in text
        assert f"value: {Topology(Settings().exchange, {}).queue(service)} " in text
        assert "../service" in document["resources"]

    def test_all_services_are_deployed(self) -> None:
        whole = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))

        assert set(whole["resources"]) == {"common", *SERVICES}


@pytest.fixture(scope="module")
def rendered() -> dict[tuple[str, str], dict[str, Any]]:
    """What kubectl would apply, by kind and name."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: the manifests are checked as files alone")
    result = subprocess.run(["kubectl", "kustomize", str(KUBERNETES)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(result.stdout)}


class TestWhatIsApplied:
    def test_is_valid(self, rendered: dict[tuple[str, str], dict[str, Any]]) -> None:
        for document in rendered.values():
            validate(document)

    @pytest.mark.parametrize("service", SERVICES)
    def test_each_service_is_whole(self, rendered: dict[tuple[str, str], dict[str, Any]], service: str) -> None:
        for part in (f"{service}-api", f"{service}-worker"):
            pod = rendered["Deployment", part]["spec"]["template"]["spec"]
            container = pod["containers"][0]
            sources = [next(iter(source.values()))["name"] for source in container["envFrom"]]
            assert f"{service}-database" in sources
            assert ("signpost-broker" in sources) == part.endswith("worker")
            assert any(volume["name"] == "keys" for volume in pod["volumes"]) == (part in NEED_KEYS)
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
            assert pod["securityContext"]["runAsNonRoot"]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert ("PodDisruptionBudget", part) in rendered
        assert (
            rendered["HorizontalPodAutoscaler", f"{service}-api"]["spec"]["scaleTargetRef"]["name"] == f"{service}-api"
        )
        scaled = rendered["ScaledObject", f"{service}-worker"]["spec"]
        assert scaled["scaleTargetRef"]["name"] == f"{service}-worker"

    def test_workers_are_scaled_by_queues_that_exist(self, rendered: dict[tuple[str, str], dict[str, Any]]) -> None:
        topology = Topology.of(Settings().exchange, consumer_groups())
        queues = {
            document["spec"]["triggers"][0]["metadata"]["queueName"]
            for (kind, _), document in rendered.items()
            if kind == "ScaledObject"
        }

        assert queues == {topology.queue(group) for group in topology.groups}


def test_the_guide_names_every_secret() -> None:
    guide = (KUBERNETES / "README.md").read_text(encoding="utf-8")

    for secret in ("signpost-keys", "signpost-broker", "signpost-providers", "$service-database"):
        assert secret in guide
    assert (REPOSITORY / "deploy" / "postgres" / "init-services.sh").exists()
