"""Errors that a caller is told about, as RFC 9457 problem documents. Pure: rules may raise them."""

from typing import Any, ClassVar


class Problem(Exception):
    """
    Base of every refusal.

    A subclass's docstring is the title, `code` its stable slug (the type is `/problems/<code>`),
    `status` the HTTP status it maps to. `detail` says what, where and what would be right;
    further keywords become members of the document.
    """

    code: ClassVar[str] = "problem"
    status: ClassVar[int] = 400

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.members = members

    @property
    def title(self) -> str:
        return (self.__doc__ or self.code).strip().splitlines()[0]

    def document(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        return body | self.members


class NotFound(Problem):
    """There is no such thing, or you may not see it."""

    code = "not-found"
    status = 404


class Conflict(Problem):
    """The thing is not in a state that allows this."""

    code = "conflict"
    status = 409


class PreconditionFailed(Problem):
    """The thing has changed since you read it."""

    code = "precondition-failed"
    status = 412


class PreconditionRequired(Problem):
    """Say which version you are changing."""

    code = "precondition-required"
    status = 428


class Unauthenticated(Problem):
    """Sign in first."""

    code = "unauthenticated"
    status = 401


class InvalidInput(Problem):
    """The request is not well formed."""

    code = "invalid-input"
    status = 422


class MalformedBody(Problem):
    """The body is not JSON."""

    code = "malformed-body"
    status = 400


class BodyTooLarge(Problem):
    """The body is larger than this service reads."""

    code = "body-too-large"
    status = 413


class Unavailable(Problem):
    """A part this needs is away; try again shortly."""

    code = "unavailable"
    status = 503
