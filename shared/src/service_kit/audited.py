"""Has each change that the application answers in the audit log before anybody hears the answer."""

import json
from typing import Any

from contract.ids import AUDIT_EVENT, last_sid, new_sid
from contract.keys import CredentialsVerified
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.audit import AskedChange, AuditEvent, AuditLog, asked_change
from service_kit.methods import READING
from service_kit.parameters import Parameters
from service_kit.routes import noted_resource, success_status
from service_kit.tracing import current_trace

MAX_CHARACTERS = 1000
"""Of a path, and of the names of parameters."""


class Audited:
    """
    ASGI middleware behind the one that authenticates. A request whose handler set `request.state.changes_nothing` is left out, and so is one whose
    method the path does not have.
    """

    def __init__(self, app: ASGIApp, audit: AuditLog) -> None:
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in READING or "principal" not in scope["state"]:
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        asked = AskedChange(lambda made: _foreseen(scope, made, self._audit.now()))
        token = asked_change.set(asked)
        try:
            await self._app(scope, receive, keep)
        finally:
            asked_change.reset(token)
            status = messages[0]["status"] if messages else 500
            if status != 405 and not _changes_nothing(scope):
                body = b"".join(message.get("body", b"") for message in messages)
                answered = _answered(scope, status, body, self._audit.now())
                if asked.written is None:
                    await self._audit.record(answered)
                else:
                    await self._audit.correct(asked.written, answered)
        for message in messages:
            await send(message)


def _changes_nothing(scope: Scope) -> bool:
    return bool(scope["state"].get("changes_nothing"))


def _foreseen(scope: Scope, made: str | None, now: float) -> AuditEvent | None:
    """The success that the route declares. Should the answer be another one, that is put right when it is known."""
    return None if _changes_nothing(scope) else _event(scope, success_status(scope), None, made, now)


def _answered(scope: Scope, status: int, body: bytes, now: float) -> AuditEvent:
    members = _members(body)
    if status >= 400:
        return _event(scope, status, members.get("code", 20500), None, now)
    made = members.get("sid")
    return _event(scope, status, None, made if isinstance(made, str) else None, now)


def _event(scope: Scope, status: int, code: int | None, resource_sid: str | None, now: float) -> AuditEvent:
    who: CredentialsVerified = scope["state"]["principal"]
    parameters: Parameters | None = scope["state"].get("parameters")
    names = dict.fromkeys(name for name, _ in parameters.pairs) if parameters else {}
    return AuditEvent(
        sid=new_sid(AUDIT_EVENT),
        account_sid=who.account_sid,
        actor_sid=who.user,
        created_at=now,
        method=scope["method"],
        resource=_storable(scope["path"]),
        resource_sid=resource_sid or noted_resource(scope) or last_sid(scope["path"]),
        parameters=_storable(",".join(names)),
        status=status,
        code=code,
        trace_id=current_trace() or "",
    )


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:  # none, or no JSON
        return {}
    return found if isinstance(found, dict) else {}


def _storable(text: str) -> str:
    """A client's text without what a database may refuse."""
    return text[:MAX_CHARACTERS].encode(errors="replace").decode().replace("\0", "")
