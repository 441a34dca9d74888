"""What gateways and media servers meet on the bus: joining, events in order, losing and finding sessions."""

import asyncio
from pathlib import Path

from contract.media import FactTaken, PeerLost, SubscriptionFailed
from contract.rooms import (
    CheckSessions,
    Described,
    DescribeRoom,
    DetachSession,
    Done,
    GatewayAlive,
    Joined,
    LeaveReason,
    LeaveRoom,
    NotDone,
    ParticipantStatus,
    ResumeSession,
    RoomRevisions,
    RoomStatus,
    SessionsChecked,
    UpdateParticipant,
    apply_event,
)
from contract.subjects import ROOM_REVISIONS, gateway_alive, gateway_sessions, media_fact
from pydantic import TypeAdapter

from tests.integration.rooms_api.conftest import RoomsApi, eventually, on_sqlite_alone, running
from tests.kit.nats import NatsServer
from tests.kit.rooms import ACCOUNT, audio, join_command, video


def resume(session: str, identity: str = "alice", gateway: str = "gateway-1") -> ResumeSession:
    return ResumeSession(
        session=session, account_sid=ACCOUNT, identity=identity, gateway_id=gateway, client_revision=1, tracks=()
    )


async def test_a_client_creates_a_room_by_joining(api: RoomsApi) -> None:
    joined = await api.join("alice", audio())

    assert joined.snapshot.room.name == "standup"
    assert joined.snapshot.sessions[0].node_id == "node-1"
    assert len(joined.session) >= 43  # 32 random bytes in base64
    room = await api.get("/v1/Rooms/standup")
    assert (room["sid"], room["empty_room_timeout"]) == (joined.snapshot.room.sid, 0)


async def test_without_any_name_the_room_is_called_by_its_sid(api: RoomsApi) -> None:
    joined = await api.join("alice", room=None)

    assert joined.snapshot.room.name == joined.snapshot.room.sid


async def test_many_first_clients_meet_in_one_room(api: RoomsApi) -> None:
    joined = await asyncio.gather(*[api.join(f"client {number}", audio()) for number in range(10)])

    assert len({entry.snapshot.room.sid for entry in joined}) == 1
    last = max(joined, key=lambda entry: entry.snapshot.revision)
    assert len(last.snapshot.participants) == 10
    assert len(last.snapshot.sessions[0].subscriptions) == 9


async def test_events_lead_from_any_snapshot_to_the_next(api: RoomsApi) -> None:
    first = await api.join("alice", audio())
    bob = await api.join("bob", video())
    sid, alice = first.snapshot.room.sid, first.participant_sid
    done = await api.command(
        UpdateParticipant(participant_sid=alice, lease_epoch=1, client_revision=2, tracks=(audio(enabled=False),))
    )
    assert isinstance(done, Done)
    described = await api.command(DescribeRoom(room_sid=sid, participant_sids=(alice, bob.participant_sid)))
    assert isinstance(described, Described)
    await eventually(lambda: len(api.events) == described.snapshot.revision)

    followed = first.snapshot
    for event in api.events:
        followed = apply_event(followed, event)

    assert [event.revision for event in api.events] == [1, 2, 3, 4]
    assert followed == described.snapshot


async def test_a_room_is_granted_by_name_or_sid(api: RoomsApi) -> None:
    sid = (await api.create(UniqueName="standup"))["sid"]

    for room, granted in [("standup", sid), (sid, "standup"), (None, "standup"), (None, sid), (sid, sid)]:
        assert (await api.join("alice", room=room, granted_room=granted)).snapshot.room.sid == sid
    for room, granted in [("other", "standup"), ("standup", "other"), (sid, "other"), ("standup", "RM" + "0" * 32)]:
        reply = await api.command(join_command("alice", room=room, granted_room=granted))
        assert isinstance(reply, NotDone)
        assert reply.code == 20106


@on_sqlite_alone
async def test_rooms_that_cannot_be_joined_say_why(api: RoomsApi) -> None:
    full = await api.create(UniqueName="full", MaxParticipants=1)
    ended = await api.create(UniqueName="ended")
    await api.rest.post("/v1/Rooms/ended", data={"Status": "completed"})
    await api.create(UniqueName="far", MediaRegion="au1")
    await api.join("alice", room="full")

    async def code(room: str, identity: str = "bob") -> int:
        reply = await api.command(join_command(identity, room=room))
        assert isinstance(reply, NotDone)
        return reply.code

    assert await code("full") == await code(full["sid"]) == 53105
    assert await code(ended["sid"]) == 53118
    assert await code("RM" + "0" * 32) == 53106
    assert await code("") == 53100
    assert await code("x" * 129) == 53101
    assert await code("standup", identity="") == 53200
    assert await code("far") == 53116


async def test_clients_may_be_kept_from_creating_rooms(surroundings: str, tmp_path: Path) -> None:
    async with running(surroundings, tmp_path, ad_hoc_rooms=False) as api:
        reply = await api.command(join_command("alice"))
        assert reply.code == 53103
        await api.create(UniqueName="standup")
        await api.join("alice")
        await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
        assert (await api.command(join_command("alice"))).code == 53118


async def test_without_a_media_server_a_join_fails_clearly(nats_server: NatsServer, tmp_path: Path) -> None:
    async with running(nats_server.url, tmp_path) as api:
        reply = await api.command(join_command("alice"))

    assert isinstance(reply, NotDone)
    assert reply.code == 53104


async def test_a_second_join_of_an_identity_ends_the_first(api: RoomsApi) -> None:
    first = await api.join("alice")
    second = await api.join("alice")
    ended = await eventually(lambda: [entry for event in api.events for entry in event.ended])

    assert [(entry.participant_sid, entry.reason) for entry in ended] == [
        (first.participant_sid, LeaveReason.DUPLICATE_IDENTITY)
    ]
    assert [p.sid for p in second.snapshot.participants] == [second.participant_sid]


async def test_a_join_that_is_repeated_is_the_same_join(replicas: list[RoomsApi]) -> None:
    """Its first answer was lost; or it is asked of two replicas at once, the first of them being slow."""
    api = replicas[0]
    command = join_command("alice", audio(), session="s" * 43)

    first, second = await asyncio.gather(api.command(command), api.command(command))
    later = await api.command(command)

    assert isinstance(first, Joined)
    assert first.session == "s" * 43
    assert [reply.participant_sid for reply in (second, later)] == [first.participant_sid] * 2
    assert later.snapshot.sessions == first.snapshot.sessions
    room = first.snapshot.room.sid
    assert [p["sid"] for p in (await api.get(f"/v1/Rooms/{room}/Participants"))["participants"]] == [
        first.participant_sid
    ]
    await api.command(LeaveRoom(participant_sid=first.participant_sid, lease_epoch=1))
    assert (await api.command(command)).code == 53118


async def test_who_has_left_does_not_come_back_by_a_repeated_join(api: RoomsApi) -> None:
    await api.create(UniqueName="standup")
    command = join_command("alice", session="s" * 43)
    joined = await api.command(command)
    await api.command(LeaveRoom(participant_sid=joined.participant_sid, lease_epoch=1))

    assert (await api.command(command)).code == 53104


async def test_a_session_that_its_gateway_does_not_hold_is_detached(api: RoomsApi) -> None:
    held = await api.join("alice", gateway_id="gateway-1")
    ghost = await api.join("bob", gateway_id="gateway-1")
    asked: list[CheckSessions] = []

    async def check(message: CheckSessions) -> SessionsChecked:
        asked.append(message)
        return SessionsChecked(lost=(ghost.participant_sid,))

    await api.bus.answer(gateway_sessions("gateway-1"), TypeAdapter(CheckSessions), check)
    states = await eventually(lambda: [p for event in api.events[3:] for p in event.participants])

    assert [(p.sid, p.status) for p in states] == [(ghost.participant_sid, ParticipantStatus.RECONNECTING)]
    assert asked[0].leases == {held.participant_sid: 1, ghost.participant_sid: 1}
    assert len(asked) >= 3


async def test_a_session_moves_to_another_gateway(api: RoomsApi) -> None:
    first = await api.join("alice", audio())
    moved = await api.command(resume(first.session, gateway="gateway-2"))
    assert isinstance(moved, Joined)
    late = await api.command(LeaveRoom(participant_sid=first.participant_sid, lease_epoch=1))

    assert (moved.lease_epoch, moved.participant_sid, moved.session) == (2, first.participant_sid, first.session)
    assert moved.snapshot.sessions[0].gateway_id == "gateway-2"
    assert moved.snapshot.sessions[0].published == first.snapshot.sessions[0].published
    assert isinstance(late, NotDone)
    assert late.stale


async def test_a_session_that_is_unknown_or_over_cannot_be_resumed(api: RoomsApi) -> None:
    await api.create(UniqueName="standup")
    joined = await api.join("alice")
    await api.command(LeaveRoom(participant_sid=joined.participant_sid, lease_epoch=1))

    assert (await api.command(resume("unknown"))).code == 53001
    assert (await api.command(resume(joined.session))).code == 53001
    second = await api.join("alice")
    await api.rest.post("/v1/Rooms/standup", data={"Status": "completed"})
    assert (await api.command(resume(second.session))).code == 53118


async def test_a_lost_socket_is_given_up_when_its_grace_is_over(api: RoomsApi) -> None:
    await api.create(UniqueName="standup")
    alice = await api.join("alice")
    await api.command(DetachSession(participant_sid=alice.participant_sid, lease_epoch=1, grace_s=0.2))
    path = f"/v1/Rooms/standup/Participants/{alice.participant_sid}"
    assert (await api.get(path))["status"] == "reconnecting"

    async def is_gone() -> bool:
        return (await api.get(path))["status"] == "disconnected"

    await eventually(is_gone)


async def test_a_client_whose_page_is_gone_leaves_at_once(api: RoomsApi) -> None:
    await api.create(UniqueName="standup")
    alice = await api.join("alice")
    await api.command(DetachSession(participant_sid=alice.participant_sid, lease_epoch=1))
    fact = PeerLost(
        room_sid=alice.snapshot.room.sid,
        participant_sid=alice.participant_sid,
        lease_epoch=1,
        closed_by_client=True,
    )
    await api.bus.request(media_fact("node-1"), fact, TypeAdapter(FactTaken))

    ended = await eventually(lambda: [entry for event in api.events for entry in event.ended])
    assert ended[0].reason is LeaveReason.LEFT


async def test_a_subscription_that_a_node_cannot_serve_is_told(api: RoomsApi) -> None:
    await api.join("alice", video())
    bob = await api.join("bob")
    (subscription,) = bob.snapshot.sessions[0].subscriptions
    fact = SubscriptionFailed(
        room_sid=bob.snapshot.room.sid,
        participant_sid=bob.participant_sid,
        subscription_id=subscription.id,
        code=53404,
    )
    await api.bus.request(media_fact("node-1"), fact, TypeAdapter(FactTaken))

    added = await eventually(lambda: [s for e in api.events[3:] for c in e.subscribed for s in c.added])
    assert added == [subscription.model_copy(update={"error_code": 53404})]


@on_sqlite_alone
async def test_participants_of_a_silent_gateway_are_reconnecting(api: RoomsApi) -> None:
    await api.bus.publish(gateway_alive("gateway-9"), GatewayAlive(gateway_id="gateway-9"))
    lost = await api.join("alice", gateway_id="gateway-9")
    kept = await api.join("bob")

    states = await eventually(lambda: [p for event in api.events[3:] for p in event.participants])
    assert [(p.sid, p.status) for p in states] == [(lost.participant_sid, ParticipantStatus.RECONNECTING)]
    assert (await api.get(f"/v1/Rooms/standup/Participants/{kept.participant_sid}"))["status"] == "connected"


@on_sqlite_alone
async def test_who_stood_still_itself_listens_before_it_judges(api: RoomsApi) -> None:
    looked: asyncio.Queue[RoomRevisions] = asyncio.Queue()
    await api.bus.listen(ROOM_REVISIONS, TypeAdapter(RoomRevisions), looked.put)
    await api.bus.publish(gateway_alive("gateway-9"), GatewayAlive(gateway_id="gateway-9"))
    alice = await api.join("alice", gateway_id="gateway-9")

    api.clock.stood_still_s = 60
    while not looked.empty():
        looked.get_nowait()
    for _ in range(3):
        await looked.get()  # gateways are judged at the same time
        await api.bus.publish(gateway_alive("gateway-9"), GatewayAlive(gateway_id="gateway-9"))

    assert (await api.get(f"/v1/Rooms/standup/Participants/{alice.participant_sid}"))["status"] == "connected"


@on_sqlite_alone
async def test_every_active_rooms_revision_is_published_each_second(api: RoomsApi) -> None:
    heard: list[RoomRevisions] = []

    async def hear(revisions: RoomRevisions) -> None:
        heard.append(revisions)

    await api.bus.listen(ROOM_REVISIONS, TypeAdapter(RoomRevisions), hear)
    await api.create(UniqueName="empty")
    joined = await api.join("alice")

    expected = {joined.snapshot.room.sid: 2}
    await eventually(lambda: heard and heard[-1].revisions == expected)


async def test_a_room_that_nobody_uses_ends(api: RoomsApi) -> None:
    sid = (await api.create(UnusedRoomTimeout=1))["sid"]
    api.clock.offset_s = 61

    async def has_ended() -> bool:
        return (await api.get(f"/v1/Rooms/{sid}"))["status"] == "completed"

    await eventually(has_ended)
    assert (await api.command(DescribeRoom(room_sid=sid))).snapshot.room.status is RoomStatus.COMPLETED


async def test_time_ends_participations_and_rooms(api: RoomsApi) -> None:
    room = await api.create(UniqueName="standup", MaxParticipantDuration=600, EmptyRoomTimeout=1)
    lasting = await api.create(UniqueName="lasting", MaxParticipantDuration=86400)
    alice = await api.join("alice")
    await api.join("bob", room="lasting")

    async def status(sid: str) -> str:
        return str((await api.get(f"/v1/Rooms/{sid}"))["status"])

    async def has_ended(sid: str) -> bool:
        return await status(sid) == "completed"

    api.clock.offset_s = 601
    (ended,) = await eventually(lambda: [entry for event in api.events for entry in event.ended])
    assert (ended.participant_sid, ended.reason) == (alice.participant_sid, LeaveReason.DURATION_EXCEEDED)
    assert await status(room["sid"]) == "in-progress"
    api.clock.offset_s += 61
    await eventually(lambda: has_ended(room["sid"]))
    assert await status(lasting["sid"]) == "in-progress"
    api.clock.offset_s = 24 * 3600
    await eventually(lambda: has_ended(lasting["sid"]))


async def test_a_restarted_service_knows_everything(
    surroundings: str, tmp_path: Path, database_url: str | None
) -> None:
    async with running(surroundings, tmp_path, database_url=database_url) as api:
        await api.create(UniqueName="standup")
        alice = await api.join("alice", audio(), video("second", name="n" * 200))
        bob = await api.join("bob")
        before = await api.command(
            DescribeRoom(room_sid=bob.snapshot.room.sid, participant_sids=(alice.participant_sid, bob.participant_sid))
        )
    async with running(surroundings, tmp_path, grace_s=60, database_url=database_url) as api:
        after = await api.command(
            DescribeRoom(room_sid=bob.snapshot.room.sid, participant_sids=(alice.participant_sid, bob.participant_sid))
        )
        assert after == before
        resumed = await api.command(resume(alice.session))
        assert resumed.snapshot.revision == before.snapshot.revision + 1


async def test_unknown_participants_and_rooms_are_refused(api: RoomsApi) -> None:
    assert (await api.command(DescribeRoom(room_sid="RM" + "0" * 32))).code == 53106
    assert (
        await api.command(UpdateParticipant(participant_sid="PA1", lease_epoch=1, client_revision=1, tracks=()))
    ).code == 53204
