"""What the route of a request says of it: the status of its success, and what it works on."""

from fastapi.routing import APIRoute
from starlette.types import Scope


def success_status(scope: Scope) -> int:
    """The status that the route declares for when all goes well; 200 when it declares none, and where no route has been found yet."""
    route = scope.get("route")
    return (route.status_code if isinstance(route, APIRoute) else None) or 200


def note_resource(scope: Scope, sid: str) -> None:
    """The request is about this resource. The last word counts: a participant is found after its room."""
    scope["state"]["resource_sid"] = sid


def noted_resource(scope: Scope) -> str | None:
    sid: str | None = scope["state"].get("resource_sid")
    return sid
