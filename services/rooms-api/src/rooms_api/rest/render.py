"""Resources as JSON: names, dates and URLs exactly as the contract has them."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import JSONResponse
from service_kit.rest import public_base
from service_kit.routes import success_status
from sqlalchemy import Row

from rooms_api.core.rules import stored_rules
from rooms_api.core.settings import DIRECT_TYPES, MAX_PUBLISHED_TRACKS

Resource = dict[str, Any]
"""A JSON object on its way out."""


def base_url(request: Request) -> str:
    """Start of every URL in answers: the configured one, else as the client called us."""
    return public_base(request, request.app.state.public_url)


def answer(resource: Resource) -> JSONResponse:
    """To what was asked for."""
    return JSONResponse(resource)


def success(request: Request, resource: Resource) -> JSONResponse:
    """To a change: with the status that its route declares."""
    return JSONResponse(resource, status_code=success_status(request.scope))


def date(epoch_s: float | None) -> str | None:
    """Whole seconds and a literal Z: helpers parse exactly that pattern."""
    if epoch_s is None:
        return None
    return datetime.fromtimestamp(int(epoch_s), UTC).isoformat().replace("+00:00", "Z")


def duration(start_s: float, end_s: float | None) -> int | None:
    """Whole seconds between two dates as they are shown."""
    return None if end_s is None else int(end_s) - int(start_s)


def room(row: Row[Any], base: str) -> Resource:
    url = f"{base}/v1/Rooms/{row.sid}"
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "unique_name": row.unique_name,
        "status": row.status,
        "type": row.type,
        "date_created": date(row.created_at),
        "date_updated": date(row.updated_at),
        "end_time": date(row.ended_at),
        "duration": duration(row.created_at, row.ended_at),
        "enable_turn": True,
        "status_callback": row.status_callback,
        "status_callback_method": row.status_callback_method,
        "max_participants": row.max_participants,
        "max_participant_duration": row.max_participant_duration_s,
        "max_concurrent_published_tracks": 0 if row.type in DIRECT_TYPES else MAX_PUBLISHED_TRACKS,
        "record_participants_on_connect": row.record_participants_on_connect,
        "video_codecs": row.video_codecs,
        "media_region": row.media_region,
        "audio_only": row.audio_only,
        "large_room": row.large_room,
        "empty_room_timeout": row.empty_room_timeout_min,
        "unused_room_timeout": row.unused_room_timeout_min,
        "url": url,
        "links": {
            "participants": f"{url}/Participants",
            "recordings": f"{url}/Recordings",
            "recording_rules": f"{url}/RecordingRules",
            "transcriptions": f"{url}/Transcriptions",
        },
    }


def participant(row: Row[Any], base: str) -> Resource:
    url = f"{base}/v1/Rooms/{row.room_sid}/Participants/{row.sid}"
    return {
        "sid": row.sid,
        "room_sid": row.room_sid,
        "account_sid": row.account_sid,
        "identity": row.identity,
        "status": row.status,
        "date_created": date(row.created_at),
        "date_updated": date(row.updated_at),
        "start_time": date(row.created_at),
        "end_time": date(row.ended_at),
        "duration": duration(row.created_at, row.ended_at),
        "url": url,
        "links": {
            "published_tracks": f"{url}/PublishedTracks",
            "subscribed_tracks": f"{url}/SubscribedTracks",
            "subscribe_rules": f"{url}/SubscribeRules",
            "anonymize": f"{url}/Anonymize",
        },
    }


def anonymized_participant(row: Row[Any], base: str) -> Resource:
    resource = participant(row, base)
    del resource["links"]
    return resource | {"url": f"{resource['url']}/Anonymize"}


def published_track(row: Row[Any], base: str) -> Resource:
    return {
        "sid": row.sid,
        "participant_sid": row.participant_sid,
        "room_sid": row.room_sid,
        "name": row.name,
        "date_created": date(row.created_at),
        "date_updated": date(row.updated_at),
        "enabled": row.enabled,
        "kind": row.kind,
        "url": f"{base}/v1/Rooms/{row.room_sid}/Participants/{row.participant_sid}/PublishedTracks/{row.sid}",
    }


def subscribed_track(row: Row[Any], base: str) -> Resource:
    return {
        "sid": row.track_sid,
        "participant_sid": row.participant_sid,
        "publisher_sid": row.publisher_sid,
        "room_sid": row.room_sid,
        "name": row.name,
        "date_created": date(row.created_at),
        "date_updated": date(row.updated_at),
        "enabled": row.enabled,
        "kind": row.kind,
        "url": f"{base}/v1/Rooms/{row.room_sid}/Participants/{row.participant_sid}/SubscribedTracks/{row.track_sid}",
    }


def subscribe_rules(row: Row[Any]) -> Resource:
    """Of a participant's row. Each rule has all members, unused ones null."""
    return {
        "participant_sid": row.sid,
        "room_sid": row.room_sid,
        "rules": [
            {
                "type": rule.type,
                "all": rule.all or None,
                "publisher": rule.publisher,
                "track": rule.track,
                "kind": rule.kind,
                "priority": None,
            }
            for rule in stored_rules(row.rules)
        ],
        "date_created": date(row.created_at),
        "date_updated": date(row.rules_updated_at),
    }


def recording_rules(row: Row[Any]) -> Resource:
    """Of a room's row. Each rule has its set members only."""
    return {
        "room_sid": row.sid,
        "rules": row.recording_rules,
        "date_created": date(row.created_at),
        "date_updated": date(row.recording_rules_updated_at or row.created_at),
    }


def status_callback(row: Row[Any], base: str) -> Resource:
    """An entry of the delivery log. `response_code` and `error` are the last try's."""
    url = f"{base}/v1/StatusCallbacks/{row.sid}"
    return {
        "sid": row.sid,
        "account_sid": row.account_sid,
        "room_sid": row.room_sid,
        "status": row.status,
        "status_callback_event": row.event,
        "status_callback": row.url,
        "status_callback_method": row.method,
        "parameters": dict(parse_qsl(row.body, keep_blank_values=True)),
        "attempt_count": row.attempts,
        "response_code": row.response_code,
        "error": row.error,
        "date_created": date(row.created_at),
        "date_completed": date(row.ended_at),
        "url": url,
        "links": {"replay": f"{url}/Replay"},
    }


def callback_attempt(row: Row[Any]) -> Resource:
    return {
        "number": row.number,
        "date_created": date(row.at),
        "duration_ms": row.duration_ms,
        "response_code": row.response_code,
        "error": row.error,
    }
