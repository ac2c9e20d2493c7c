"""Declaring routes: path, shapes, and who may call. A route without an access rule cannot be declared."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from shared.auth.policy import POLICY
from shared.auth.tokens import ROLES
from shared.problems import Problem
from shared.web.calls import Call, Reply, authorize

__all__ = ["Access", "Call", "Reply", "Route", "Routes", "authorize", "on_student", "public", "signed_in", "staff"]

RouteFunction = Callable[[Call[Any]], Reply]


@dataclass(frozen=True)
class Access:
    """Who may call a route. Exactly one of its four makers below says so."""

    kind: str
    resource: str = ""
    action: str = ""
    roles: frozenset[str] = frozenset()

    def __str__(self) -> str:
        match self.kind:
            case "student":
                return f"whoever may {self.action} this student's {self.resource}"
            case "roles":
                return " or ".join(sorted(self.roles))
            case "signed_in":
                return "anyone signed in, limited to what they may see"
            case _:
                return "public"


def on_student(resource: str, action: str) -> Access:
    """Those whose relationship to `{student_id}` in the path allows `action` on `resource`; others get 404."""
    if resource not in POLICY or not any(action in actions for actions in POLICY[resource].values()):
        raise ValueError(f"the access policy grants nobody {action!r} on {resource!r}")
    return Access("student", resource=resource, action=action)


def signed_in() -> Access:
    """Anyone with a valid token; the function itself must filter by `visible_students` or `authorize`."""
    return Access("signed_in")


def staff(*roles: str) -> Access:
    """Those whose token has one of `roles`, which carry no relationship to a student; others get 404."""
    unknown = set(roles) - ROLES
    if unknown or not roles:
        raise ValueError(f"unknown roles: {sorted(unknown)}")
    return Access("roles", roles=frozenset(roles))


def public() -> Access:
    """Anyone: the function itself must check a signature or show nothing that is not public."""
    return Access("public")


@dataclass(frozen=True)
class Route:
    """One operation: what it takes, gives and refuses, and who may ask."""

    method: str
    path: str
    function: RouteFunction
    access: Access
    summary: str
    service: str
    tag: str
    body: type[BaseModel] | None = None
    reply: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    problems: tuple[type[Problem], ...] = ()
    content_type: str = "application/json"

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def name(self) -> str:
        return self.function.__name__


class Routes:
    """The routes of one feature, in the order of declaration."""

    def __init__(self, *, service: str, tag: str) -> None:
        self.service = service
        self._tag = tag
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, **declared: Any) -> Callable[[RouteFunction], RouteFunction]:
        return self._declare("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[[RouteFunction], RouteFunction]:
        return self._declare("POST", path, **declared)

    def put(self, path: str, **declared: Any) -> Callable[[RouteFunction], RouteFunction]:
        return self._declare("PUT", path, **declared)

    def patch(self, path: str, **declared: Any) -> Callable[[RouteFunction], RouteFunction]:
        return self._declare("PATCH", path, **declared)

    def delete(self, path: str, **declared: Any) -> Callable[[RouteFunction], RouteFunction]:
        return self._declare("DELETE", path, **declared)

    def _declare(
        self,
        method: str,
        path: str,
        *,
        access: Access,
        summary: str,
        body: type[BaseModel] | None = None,
        reply: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        problems: Sequence[type[Problem]] = (),
        content_type: str = "application/json",
    ) -> Callable[[RouteFunction], RouteFunction]:
        if access.kind == "student" and "{student_id}" not in path:
            raise ValueError(f"{path}: on_student needs {{student_id}} in the path")

        def register(function: RouteFunction) -> RouteFunction:
            self._routes.append(
                Route(
                    method=method,
                    path=path,
                    function=function,
                    access=access,
                    summary=summary,
                    service=self.service,
                    tag=self._tag,
                    body=body,
                    reply=reply,
                    query=query,
                    problems=tuple(problems),
                    content_type=content_type,
                )
            )
            return function

        return register
