"""The same flows on both engines."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from services.composition import SERVICES
from services.sample_district import load_sample_district
from shared.testing.databases import postgres_urls
from shared.testing.deployment import Deployment, free_port
from tests.support import engines
from tests.support.consequences import Consequences
from tests.support.eavesdropper import Eavesdropper
from tests.support.sample import SampleDistrict

ENGINES = ["embedded", "rabbitmq-postgresql"]
STUDENTS = 60


@pytest.fixture(params=ENGINES)
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment not started yet; what its processes logged is shown when a test fails."""
    with _deployed(request, tmp_path / "home") as deployed:
        yield deployed
        print(deployed.logs()[-8000:])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Flows on the shared deployment come last, so that no other deployment takes connections and time beside it."""
    places = [index for index, item in enumerate(items) if item.path.is_relative_to(Path(__file__).parent)]
    flows = sorted((items[index] for index in places), key=_is_sharing)
    for index, item in zip(places, flows, strict=True):
        items[index] = item


def _is_sharing(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "sample_deployment" in item.fixturenames


@pytest.fixture(scope="package", params=ENGINES)
def sample_deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A running deployment with the sample district, shared by all tests that take a student of their own."""
    home = tmp_path_factory.mktemp("sample") / "home"
    extra = {"SIGNPOST_TRACES_FILE": str(home / "traces.jsonl"), "SIGNPOST_WORKER_HTTP_PORT": str(free_port())}
    with _deployed(request, home, extra=extra) as deployed:
        deployed.start()
        yield deployed


@pytest.fixture(scope="package")
def overheard(sample_deployment: Deployment) -> Iterator[Eavesdropper | None]:
    """Every message that has gone through the broker since the beginning; None where there is no broker."""
    if sample_deployment.amqp_url is None:
        yield None
        return
    with Eavesdropper(sample_deployment.amqp_url, sample_deployment.settings.exchange) as eavesdropper:
        yield eavesdropper


@pytest.fixture(scope="package")
def loaded_district(sample_deployment: Deployment, overheard: Eavesdropper | None) -> SampleDistrict:
    load_sample_district(sample_deployment.settings, students=STUDENTS, say=print)
    return SampleDistrict(sample_deployment)


@pytest.fixture
def district(loaded_district: SampleDistrict) -> Iterator[SampleDistrict]:
    """The shared sample district; what was logged during the test is shown when it fails."""
    home = loaded_district.deployment.home
    read_to = {path: path.stat().st_size for path in home.glob("*.log")}
    yield loaded_district
    for path, position in read_to.items():
        print(path.read_bytes()[position:][-4000:].decode(errors="replace"))


@pytest.fixture(scope="package")
def consequences(sample_deployment: Deployment) -> Iterator[Consequences]:
    looked_into = Consequences(sample_deployment)
    yield looked_into
    looked_into.close()


@contextmanager
def _deployed(
    request: pytest.FixtureRequest, home: Path, *, extra: dict[str, str] | None = None
) -> Iterator[Deployment]:
    """A deployment on the engine that the requesting fixture's parameter names, stopped at the end."""
    with ExitStack() as stack:
        amqp_url = database_url = None
        if request.param != "embedded":
            server: str = request.getfixturevalue("postgres_server")
            rabbit: engines.Rabbit = request.getfixturevalue("rabbit")
            amqp_url = stack.enter_context(rabbit.vhost())
            database_url = stack.enter_context(postgres_urls(server, list(SERVICES)))
        yield stack.enter_context(Deployment(home, amqp_url=amqp_url, database_url=database_url, extra=extra or {}))
