"""A client's wish to enter a room: a new participant's `connect`, or the `sync` of one who lost its socket. Decides what it becomes, and how long it may take."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.keys import TokenVerified, VerifyToken
from contract.media import Description
from contract.rooms import JoinRoom, ResumeSession

from signaling_gateway.core.wire import Connect, Sync

DEADLINE_S = 8.0
"""How long a connect or sync may take, the restart of an owner included."""
LEAST_PATIENCE_S = 2.0
"""What an owner gets when those before it took long."""


class Inadmissible(Exception):
    """The wish makes no sense. The message says why."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`deadline` is when all the owners that it needs should have answered."""

    request: Connect | Sync
    deadline: float

    @classmethod
    def begin(cls, request: Connect | Sync, now: float) -> "Admission":
        """Raises `Inadmissible`."""
        offers = [pc for pc in request.peer_connections if pc.description and pc.description.type == "offer"]
        if isinstance(request, Connect) and (len(offers) != 1 or len(request.peer_connections) != 1):
            raise Inadmissible("peer_connections: one offer expected")
        return cls(request, now + DEADLINE_S)

    @property
    def is_resumed(self) -> bool:
        return isinstance(self.request, Sync)

    @property
    def client_revision(self) -> int:
        """Of the client's own state, which the request has whole."""
        return self.request.participant.revision

    def patience(self, now: float) -> float:
        """Until when the next owner is waited for."""
        return max(self.deadline, now + LEAST_PATIENCE_S)

    def verification(self) -> VerifyToken:
        """The first question. At `sync` neither the token's expiry nor a deleted key ends what goes on."""
        return VerifyToken(token=self.request.token, resuming=self.is_resumed)

    def command(
        self, token: TokenVerified, gateway_id: str, new_session: Callable[[], str]
    ) -> JoinRoom | ResumeSession:
        """The second question, once the token is verified."""
        request = self.request
        if isinstance(request, Sync):
            return ResumeSession(
                session=request.session,
                account_sid=token.account_sid,
                identity=token.identity,
                gateway_id=gateway_id,
                client_revision=request.participant.revision,
                tracks=request.participant.as_command(),
            )
        return JoinRoom(
            account_sid=token.account_sid,
            identity=token.identity,
            room=request.name,
            granted_room=token.room,
            gateway_id=gateway_id,
            session=new_session(),
            client_revision=request.participant.revision,
            tracks=request.participant.as_command(),
            peer_connection_ids=tuple(pc.id for pc in request.peer_connections),
            automatic_subscription=request.is_automatic,
            media_signaling=tuple(request.media_signaling),
            media_warnings=request.participant.media_warnings,
            bandwidth_profile=request.bandwidth_profile,
            publisher=request.publisher,
        )

    def description(self, peer_connection_id: str) -> Description | None:
        """The client's latest description of this peer connection: the offer of a `connect`, what there is in a `sync`."""
        for peer_connection in self.request.peer_connections:
            if peer_connection.id == peer_connection_id and peer_connection.description is not None:
                return peer_connection.description.as_description()
        return None
