"""Users, permissions and real bindings: what RabbitMQ tells its administrators, and not over AMQP."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import requests
from kombu import Connection

from shared.messaging.rabbitmq import channel_to
from shared.messaging.topology import Binding
from shared.settings import Settings

TIMEOUT_S = 30.0
HTTP_TIMEOUT_S = 10.0


class AdministrationMissing(Exception):
    """Neither the management API nor rabbitmqctl is to be had for this broker; the text says what to do."""


class AdministrationFailed(Exception):
    """The broker's administration refused, or broke off."""


class Administration(Protocol):
    """
    Of one virtual host. Every method raises AdministrationFailed.

    A user is identified by name in the whole broker, and permitted in this virtual host alone.
    """

    def cluster(self) -> str:
        """The name of the cluster, by which one tells brokers apart."""

    def has_user(self, name: str) -> bool: ...

    def add_user(self, name: str, password: str) -> None:
        """Make a user who administers nothing, and may do nothing yet."""

    def change_password(self, name: str, password: str) -> None: ...

    def permit_reading(self, name: str, queue: str) -> None:
        """Let a user read one queue, and do nothing else."""

    def limit_user(self, name: str, *, connections: int, channels: int) -> None: ...

    def close_connections(self, name: str) -> None: ...

    def delete_user(self, name: str) -> None:
        """Does nothing if there is none. Its connections are closed."""

    def bindings(self) -> frozenset[Binding]:
        """Of this virtual host, those of every queue to its own name left out."""


def virtual_host_of(url: str) -> str:
    return str(Connection(url).virtual_host or "/")


def administration(settings: Settings) -> Administration:
    """
    The administration of the broker that `amqp_url` names: the management API if its address is set, else rabbitmqctl.

    Raises:
        AdministrationMissing: There is none, or it belongs to another broker.
        AdministrationFailed: It is there and does not answer.
        BrokerAway: The broker itself does not answer.
    """
    url = str(settings.amqp_url)
    found: Administration
    if settings.rabbitmq_management_url is not None:
        found, named = ManagementApi(settings.rabbitmq_management_url, url), "SIGNPOST_RABBITMQ_MANAGEMENT_URL"
    elif shutil.which("rabbitmqctl") is not None:
        found, named = RabbitmqCtl(virtual_host_of(url)), "rabbitmqctl here"
    else:
        raise AdministrationMissing(
            "The broker's users and bindings cannot be reached: set SIGNPOST_RABBITMQ_MANAGEMENT_URL to its management "
            "API (http://user:password@host:15672), or run this where rabbitmqctl can."
        )
    with channel_to(url) as channel:
        expected = str(channel.connection.server_properties.get("cluster_name"))
    if (actual := found.cluster()) != expected:
        raise AdministrationMissing(
            f"{named} administers {actual!r}, and SIGNPOST_AMQP_URL leads to {expected!r}: "
            "set SIGNPOST_RABBITMQ_MANAGEMENT_URL to the management API of that one."
        )
    return found


def _exactly(name: str) -> str:
    """A permission that fits one name."""
    return f"^{name.replace('.', '[.]')}$"


class RabbitmqCtl:
    """By the command on this machine, which must be run by a user whom the node trusts."""

    def __init__(self, virtual_host: str) -> None:
        self._virtual_host = virtual_host

    def cluster(self) -> str:
        return str(json.loads(self._run("cluster_status", "--formatter", "json"))["cluster_name"])

    def has_user(self, name: str) -> bool:
        return any(user["user"] == name for user in json.loads(self._run("list_users", "--formatter", "json")))

    def add_user(self, name: str, password: str) -> None:
        self._run("add_user", name, given=password)

    def change_password(self, name: str, password: str) -> None:
        self._run("change_password", name, given=password)

    def permit_reading(self, name: str, queue: str) -> None:
        self._run("set_permissions", "-p", self._virtual_host, name, "", "", _exactly(queue))

    def limit_user(self, name: str, *, connections: int, channels: int) -> None:
        limits = {"max-connections": connections, "max-channels": channels}
        self._run("set_user_limits", name, json.dumps(limits))

    def close_connections(self, name: str) -> None:
        self._run("close_all_user_connections", name, "the password was changed")

    def delete_user(self, name: str) -> None:
        if self.has_user(name):
            self._run("delete_user", name)

    def bindings(self) -> frozenset[Binding]:
        columns = ("source_name", "destination_name", "routing_key", "destination_kind")
        listed = self._run("list_bindings", "-p", self._virtual_host, *columns, "--formatter", "json")
        return frozenset(
            Binding(each[columns[0]], each[columns[1]], each[columns[2]], each[columns[3]] == "exchange")
            for each in json.loads(listed)
            if each[columns[0]]
        )

    def _run(self, *arguments: str, given: str = "") -> str:
        """
        Args:
            given: A password, by standard input: everybody on the machine can read a command line.
        """
        try:
            done = subprocess.run(  # noqa: S603
                ["rabbitmqctl", "--quiet", *arguments],  # noqa: S607
                input=given,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AdministrationFailed(f"rabbitmqctl {arguments[0]}: {type(error).__name__}") from None
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[:300]
            raise AdministrationFailed(f"rabbitmqctl {arguments[0]}: {said}")
        return done.stdout


class ManagementApi:
    """By HTTP. Without a user in its address it is asked as the user of the broker's address."""

    def __init__(self, address: str, amqp_url: str) -> None:
        own, broker = urlsplit(address), Connection(amqp_url)
        self._address = own._replace(netloc=own.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._who = (own.username or broker.userid or "guest", own.password or broker.password or "guest")
        self._virtual_host = quote(virtual_host_of(amqp_url), safe="")

    def cluster(self) -> str:
        return str(self._ask("GET", "cluster-name").json()["name"])

    def has_user(self, name: str) -> bool:
        return self._ask("GET", f"users/{quote(name, safe='')}", absent=404).status_code == 200

    def add_user(self, name: str, password: str) -> None:
        self._ask("PUT", f"users/{quote(name, safe='')}", {"password": password, "tags": ""})

    def change_password(self, name: str, password: str) -> None:
        self.add_user(name, password)  # one request for both

    def permit_reading(self, name: str, queue: str) -> None:
        rights = {"configure": "", "write": "", "read": _exactly(queue)}
        self._ask("PUT", f"permissions/{self._virtual_host}/{quote(name, safe='')}", rights)

    def limit_user(self, name: str, *, connections: int, channels: int) -> None:
        for limit, value in (("max-connections", connections), ("max-channels", channels)):
            self._ask("PUT", f"user-limits/{quote(name, safe='')}/{limit}", {"value": value})

    def close_connections(self, name: str) -> None:
        self._ask("DELETE", f"connections/username/{quote(name, safe='')}", absent=404)

    def delete_user(self, name: str) -> None:
        self._ask("DELETE", f"users/{quote(name, safe='')}", absent=404)

    def bindings(self) -> frozenset[Binding]:
        listed = self._ask("GET", f"bindings/{self._virtual_host}").json()
        return frozenset(
            Binding(each["source"], each["destination"], each["routing_key"], each["destination_type"] == "exchange")
            for each in listed
            if each["source"]
        )

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, absent: int | None = None
    ) -> requests.Response:
        """
        Args:
            absent: The status that says that there is none, and is no failure.
        """
        try:
            answer = requests.request(
                method, f"{self._address}/api/{path}", json=body, auth=self._who, timeout=HTTP_TIMEOUT_S
            )
        except requests.RequestException as error:
            raise AdministrationFailed(f"{self._address}: {type(error).__name__}") from None
        if not answer.ok and answer.status_code != absent:
            why = "its user is not known there or no administrator" if answer.status_code in (401, 403) else "refused"
            raise AdministrationFailed(
                f"{self._address}: {method} {path.partition('/')[0]}: {answer.status_code}, {why}"
            )
        return answer
