"""Rooms, participants and sessions as rooms-api would describe them: small, with every member that a test does not name filled in."""

from typing import Any

from contract.rooms import (
    ParticipantState,
    ParticipantStatus,
    Publication,
    PublishedTrack,
    RoomSnapshot,
    RoomState,
    RoomStatus,
    RoomType,
    SessionState,
    Subscription,
    TrackKind,
    TrackPriority,
)


def room(**members: Any) -> RoomState:
    return RoomState(
        **{
            "sid": "RM1",
            "account_sid": "AC1",
            "name": "standup",
            "type": RoomType.GROUP,
            "status": RoomStatus.IN_PROGRESS,
            "media_region": "us1",
            "audio_only": False,
            "video_codecs": ("VP8",),
            "session_timeout_s": 30,
            "is_recording": False,
            "recording_revision": 1,
            **members,
        }
    )


def track(sid: str, kind: TrackKind = TrackKind.VIDEO, *, enabled: bool = True) -> PublishedTrack:
    return PublishedTrack(sid=sid, name=f"name of {sid}", kind=kind, enabled=enabled, priority=TrackPriority.STANDARD)


def participant(
    sid: str,
    revision: int = 1,
    *tracks: PublishedTrack,
    status: ParticipantStatus = ParticipantStatus.CONNECTED,
    identity: str | None = None,
) -> ParticipantState:
    return ParticipantState(
        sid=sid, identity=identity or f"identity of {sid}", status=status, revision=revision, tracks=tracks
    )


def publication(client_track_id: str, sid: str | None, error_code: int | None = None) -> Publication:
    return Publication(client_track_id=client_track_id, kind=TrackKind.VIDEO, sid=sid, error_code=error_code)


def subscription(track_sid: str, publisher_sid: str, error_code: int | None = None) -> Subscription:
    return Subscription(
        id=f"{track_sid}-1",
        track_sid=track_sid,
        publisher_sid=publisher_sid,
        kind=TrackKind.VIDEO,
        error_code=error_code,
    )


def session(participant_sid: str, **members: Any) -> SessionState:
    return SessionState(
        **{
            "participant_sid": participant_sid,
            "gateway_id": "g1",
            "lease_epoch": 1,
            "node_id": "n1",
            "peer_connection_ids": ("pc1",),
            "client_revision": 1,
            "published": (),
            "published_revision": 1,
            "subscriptions": (),
            "subscribed_revision": 1,
            "media_signaling": (),
            "media_warnings": (),
            "bandwidth_profile": None,
            **members,
        }
    )


def snapshot(
    revision: int, participants: tuple[ParticipantState, ...], *sessions: SessionState, **of_room: Any
) -> RoomSnapshot:
    return RoomSnapshot(revision=revision, room=room(**of_room), participants=participants, sessions=sessions)
