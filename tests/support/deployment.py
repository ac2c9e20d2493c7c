"""The deployment files as values, for the tests that read them."""

import re
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
# ${NAME}, ${NAME:-default} and ${NAME:?message}, as compose spells them.
INTERPOLATION = re.compile(r"\$\{(?P<name>\w+)(?P<operator>:[-?])?(?P<rest>[^}]*)\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml with anchors and merges resolved, variables as they are written."""
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def interpolated(text: str, variables: dict[str, str]) -> str:
    """
    Compose's own interpolation.

    Raises:
        LookupError: A variable that has no default is empty or absent.
    """

    def value(found: re.Match[str]) -> str:
        given = variables.get(found["name"], "")
        if given or found["operator"] is None:
            return given
        if found["operator"] == ":?":
            raise LookupError(f"{found['name']}: {found['rest']}")
        return found["rest"]

    return INTERPOLATION.sub(value, text)


def manifests() -> list[tuple[Path, dict[str, Any]]]:
    """Every Kubernetes object and kustomization, with the file it is in."""
    return [
        (path, document)
        for path in sorted(KUBERNETES.rglob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
