"""Puts the service together: the only place where the parts meet."""

import contextlib
import secrets
from collections.abc import AsyncIterator

import httpx
import structlog
from contract.keys import KeysChanged
from contract.subjects import KEYS_CHANGED
from fastapi import FastAPI
from pydantic import TypeAdapter
from service_kit.audit import AuditLog
from service_kit.bus import Bus
from service_kit.failed_logins import FailedLogins
from service_kit.health import health_router
from service_kit.outage import answer_outages
from service_kit.rest import OPEN_PATHS, rest_app
from service_kit.serving import background

from rooms_api.clock import Clock
from rooms_api.core.change import Change
from rooms_api.handlers import Handlers
from rooms_api.lookout import Lookout
from rooms_api.loops import keep_watch
from rooms_api.lost_sessions import CHECK_PERIOD_S, LostSessions
from rooms_api.media_links import PATH as MEDIA
from rooms_api.media_links import MediaLinks
from rooms_api.outbox import Outbox
from rooms_api.rest.audit import audit_router
from rooms_api.rest.auth import Authenticator
from rooms_api.rest.composition_hooks import composition_hooks_router
from rooms_api.rest.compositions import compositions_router
from rooms_api.rest.docs import PATHS as DOCS
from rooms_api.rest.docs import docs_router
from rooms_api.rest.forward import PREFIX, forward_router
from rooms_api.rest.insights import insights_router
from rooms_api.rest.media import media_router
from rooms_api.rest.media_settings import media_settings_router
from rooms_api.rest.participants import participants_router
from rooms_api.rest.recording_rules import recording_rules_router
from rooms_api.rest.recordings import recordings_router
from rooms_api.rest.resources import Resources
from rooms_api.rest.rooms import ad_hoc_settings, rooms_router
from rooms_api.rest.status_callbacks import status_callbacks_router
from rooms_api.rest.subscribe_rules import subscribe_rules_router
from rooms_api.rest.tracks import tracks_router
from rooms_api.rest.transcriptions import transcriptions_router
from rooms_api.service import Policy, RoomService
from rooms_api.settings import RoomsSettings
from rooms_api.store.callbacks import CallbackStore
from rooms_api.store.composition_queue import CompositionQueue
from rooms_api.store.compositions import CompositionStore, HookStore
from rooms_api.store.database import Database
from rooms_api.store.insights import InsightsQueries
from rooms_api.store.media_files import MediaFiles
from rooms_api.store.media_settings import MediaSettingsStore
from rooms_api.store.queries import Queries
from rooms_api.store.quotas import Quotas
from rooms_api.store.recordings import RecordingStore
from rooms_api.store.rooms import RoomStore
from rooms_api.store.tables import audit_events
from rooms_api.store.telemetry import TelemetryStore
from rooms_api.store.transcriptions import TranscriptionStore
from rooms_api.telemetry import DAY_S, TelemetryCollector
from rooms_api.timers import GRACE_S, Timers
from rooms_api.webhook_client import WebhookClient
from rooms_api.webhooks import Patience, Webhooks, bus_signer

log = structlog.get_logger()

FORWARD_TIMEOUT_S = 10.0
MEDIA_PERIOD_S = 1.0
MEDIA_LONGEST_S = 20.0


def build(
    settings: RoomsSettings,
    bus: Bus,
    database: Database,
    clock: Clock,
    grace_s: float = GRACE_S,
    check_period_s: float = CHECK_PERIOD_S,
) -> FastAPI:
    """The application. Its lifespan runs the bus side and the timers; bus and database are the caller's to close, after it."""

    def lookout(longest_s: float) -> Lookout:
        return Lookout(lambda: database.writes, clock, longest_s)

    store = RoomStore(database, Quotas(settings.max_concurrent_rooms, settings.max_concurrent_participants))
    outbox = Outbox(bus, store, clock, lookout)
    webhooks = Webhooks(
        CallbackStore(database),
        WebhookClient(settings.allow_private_callbacks),
        bus_signer(bus),
        clock,
        lookout,
        Patience(settings.callback_retry_hours * 3600, settings.callback_log_days * 86400),
    )
    announcer = _Announcer(outbox, webhooks)
    service = RoomService(store, announcer, clock, Policy(settings.ad_hoc_rooms, ad_hoc_settings(settings)))
    timers = Timers(service, store, bus, clock, lookout, grace_s)
    lost_sessions = LostSessions(service, store, bus, check_period_s)
    authenticator = Authenticator(bus, clock)
    issuer = httpx.AsyncClient(base_url=settings.issuer_url, timeout=FORWARD_TIMEOUT_S, trust_env=False)
    resources = Resources(service, Queries(database), settings)

    audit = AuditLog(database, audit_events, settings.audit_retention_days, clock.wall)
    files = MediaFiles(settings.data, database)
    links = MediaLinks(bus, clock)
    composition_queue = CompositionQueue(database)
    transcriptions = TranscriptionStore(database)

    async def advance_media() -> None:
        await files.remove_deleted(clock.wall())
        await transcriptions.fail_unheard(clock.wall())
        await composition_queue.advance(clock.wall())

    insights = InsightsQueries(database, settings.insights_retention_days * DAY_S)
    telemetry = TelemetryCollector(bus, TelemetryStore(database), clock, settings.insights_retention_days)
    handlers = Handlers(bus, service, timers, telemetry)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        keys = await bus.listen(KEYS_CHANGED, TypeAdapter(KeysChanged), authenticator.forget)
        bus.on_reconnect(authenticator.forget_everything)
        await handlers.start()
        await telemetry.start()
        loops = (
            outbox.run(),
            timers.run(),
            lost_sessions.run(),
            audit.run(),
            webhooks.run(),
            telemetry.run(),
            keep_watch(MEDIA_PERIOD_S, advance_media, lookout(MEDIA_LONGEST_S)),
        )
        async with issuer, background(*loops):
            yield
            await handlers.stop()
            await telemetry.stop()
            await keys.stop()
        await outbox.sweep()

    failed_logins = FailedLogins(secrets.token_bytes(32), settings.failed_logins_per_second)
    policy = settings.edge_policy(failed_logins)
    app = rest_app("Roomwire", authenticator.verify, _is_open, policy, audit, lifespan=lifespan)
    app.state.public_url = settings.public_url
    answer_outages(app)
    for router in (
        health_router({"bus": lambda: bus.is_connected, "database": database.is_reachable}),
        rooms_router(resources),
        participants_router(resources),
        tracks_router(resources),
        subscribe_rules_router(resources),
        recording_rules_router(resources),
        transcriptions_router(resources, transcriptions, clock),
        recordings_router(resources, RecordingStore(database), files, links, clock),
        compositions_router(resources, CompositionStore(database), files, links, clock),
        composition_hooks_router(HookStore(database), clock),
        media_router(files, links),
        media_settings_router(MediaSettingsStore(database)),
        status_callbacks_router(resources, webhooks),
        audit_router(audit),
        insights_router(insights, clock),
        docs_router(),
        forward_router(issuer, authenticator.forget_everything, failed_logins),
    ):
        app.include_router(router)
    return app


class _Announcer:
    """What a committed change sets in motion: its event on the bus, and its callbacks."""

    def __init__(self, outbox: Outbox, webhooks: Webhooks) -> None:
        self._outbox = outbox
        self._webhooks = webhooks

    async def publish_change(self, change: Change) -> None:
        if change.has_receiver and (change.happened or change.recordings):
            self._webhooks.wake()
        await self._outbox.publish_change(change)


def _is_open(path: str) -> bool:
    """token-issuer authenticates what is forwarded to it: its rules differ. Media links carry their own right."""
    return path in OPEN_PATHS or path in DOCS or path.startswith((PREFIX, f"{MEDIA}/"))
