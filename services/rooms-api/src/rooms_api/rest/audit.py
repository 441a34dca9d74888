"""The audit log of this service: list and fetch. A route of Roomwire's own, for the account's auth token alone."""

from typing import Any

from contract.errors import Refused
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.audit import AuditFilters, AuditLog, event_resource
from service_kit.rest import Principal, Query, not_found
from sqlalchemy import Row

from rooms_api.rest import fields, render
from rooms_api.rest.pages import read_paging, render_list
from rooms_api.store.paging import Order, read_page
from rooms_api.store.tables import audit_events

ORDER = Order(audit_events.c.created_at, audit_events.c.sid)


def audit_router(audit: AuditLog) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/AuditEvents")
    async def list_audit_events(request: Request, who: Principal, query: Query) -> JSONResponse:
        if not who.is_account:
            raise Refused(20003)
        filters = AuditFilters(
            actor_sid=query.text("ActorSid"),
            resource_sid=query.text("ResourceSid"),
            created_after=fields.instant(query, "DateCreatedAfter"),
            created_before=fields.instant(query, "DateCreatedBefore"),
        )
        asked = read_paging(query)
        found = audit.query(who.account_sid, filters)
        page = await audit.read(lambda connection: read_page(connection, found, ORDER, asked))
        base = render.base_url(request)
        return render.answer(render_list(request, "audit_events", page, asked, lambda row: _event(row, base)))

    @router.get("/v1/AuditEvents/{sid}")
    async def fetch_audit_event(request: Request, who: Principal, sid: str) -> JSONResponse:
        if not who.is_account:
            raise Refused(20003)
        query = audit.query(who.account_sid, AuditFilters(sid=sid))
        row = await audit.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise not_found(request.url.path)
        return render.answer(_event(row, render.base_url(request)))

    return router


def _event(row: Row[Any], base: str) -> render.Resource:
    return event_resource(row, render.date(row.created_at)) | {"url": f"{base}/v1/AuditEvents/{row.sid}"}
