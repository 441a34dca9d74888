"""The audit log of keys: a list of Roomwire's own, in the shape of its neighbours."""

from typing import Any

from fastapi import APIRouter, Request
from service_kit.audit import AuditFilters, AuditLog, event_resource
from service_kit.rest import Query

from token_issuer.rest.access import BASE, AccountItself
from token_issuer.rest.dates import rfc2822
from token_issuer.rest.paging import page_body, parse_page
from token_issuer.store.tables import audit_events

FILTERS = ("ActorSid", "ResourceSid")


def audit_router(audit: AuditLog) -> APIRouter:
    router = APIRouter()

    @router.get(f"{BASE}/AuditEvents.json")
    async def index(account: AccountItself, query: Query, request: Request) -> dict[str, Any]:
        page = parse_page(query)
        filters = {name: value for name in FILTERS if (value := query.text(name)) is not None}
        wanted = audit.query(
            account, AuditFilters(actor_sid=filters.get("ActorSid"), resource_sid=filters.get("ResourceSid"))
        )
        if page.below is not None:
            wanted = wanted.where(audit_events.c.position < page.below)
        wanted = wanted.order_by(audit_events.c.position.desc()).limit(page.size + 1).offset(page.offset)
        found = await audit.read(lambda connection: list(connection.execute(wanted)))
        shown = found[: page.size]
        last_number = shown[-1].position if len(found) > page.size else None
        events = [event_resource(row, rfc2822(int(row.created_at))) for row in shown]
        return page_body("audit_events", events, page, request.url.path, last_number, filters)

    return router
