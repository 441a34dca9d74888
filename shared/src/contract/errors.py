"""The one table of error codes: number, HTTP status where REST can raise it, and the message users of the field know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """An error users can meet. `status` is the HTTP status of the REST answer that carries it."""

    code: int
    status: int
    message: str


_KINDS = (
    ErrorKind(20001, 400, "Invalid parameter"),
    ErrorKind(20002, 400, "Invalid FriendlyName"),
    ErrorKind(20003, 401, "Authenticate"),
    ErrorKind(20004, 405, "Method not allowed"),
    ErrorKind(20101, 401, "Invalid Access Token"),
    ErrorKind(20102, 401, "Invalid Access Token header"),
    ErrorKind(20103, 401, "Invalid Access Token issuer/subject"),
    ErrorKind(20104, 401, "Access Token expired or expiration date invalid"),
    ErrorKind(20105, 401, "Access Token not yet valid"),
    ErrorKind(20106, 401, "Invalid Access Token grants"),
    ErrorKind(20107, 401, "Invalid Access Token signature"),
    ErrorKind(20157, 401, "Expiration Time in the Access Token Exceeds Maximum Time Allowed"),
    ErrorKind(20160, 401, "Access Token is not a valid JWT"),
    ErrorKind(20403, 403, "Forbidden"),
    ErrorKind(20404, 404, "The requested resource was not found"),
    ErrorKind(20429, 429, "Too Many Requests"),
    ErrorKind(20500, 500, "Internal Server Error"),
    ErrorKind(20503, 503, "Service is unavailable. Please try again"),
    ErrorKind(53000, 400, "Signaling connection error"),
    ErrorKind(53001, 400, "Signaling connection disconnected"),
    ErrorKind(53002, 400, "Signaling connection timed out"),
    ErrorKind(53003, 400, "Client received an invalid signaling message"),
    ErrorKind(53004, 400, "Client sent an invalid signaling message"),
    ErrorKind(53006, 503, "Video server is busy"),
    ErrorKind(53100, 400, "Room name is invalid"),
    ErrorKind(53101, 400, "Room name is too long"),
    ErrorKind(53102, 400, "Room name contains invalid characters"),
    ErrorKind(53103, 400, "Unable to create Room"),
    ErrorKind(53104, 400, "Unable to connect to Room"),
    ErrorKind(53105, 400, "Room contains too many Participants"),
    ErrorKind(53106, 404, "Room not found"),
    ErrorKind(53107, 400, "MaxParticipants is out of range"),
    ErrorKind(53108, 400, "RoomType is not valid"),
    ErrorKind(53109, 400, "Timeout is out of range"),
    ErrorKind(53110, 400, "StatusCallbackMethod is invalid"),
    ErrorKind(53111, 400, "StatusCallback is invalid"),
    ErrorKind(53112, 400, "Status is invalid"),
    ErrorKind(53113, 400, "Room exists"),
    ErrorKind(53114, 400, "Invalid parameter(s) for the Room type"),
    ErrorKind(53115, 400, "MediaRegion is invalid"),
    ErrorKind(53116, 400, "There are no media servers available in the MediaRegion"),
    ErrorKind(53117, 400, "The subscription operation requested is not supported for the Room type"),
    ErrorKind(53118, 400, "Room completed"),
    ErrorKind(53119, 400, "Concurrent rooms quota exceeded"),
    ErrorKind(53120, 400, "Invalid Recording Rule(s)"),
    ErrorKind(53122, 400, "The recording operation requested is not supported for the Room type"),
    ErrorKind(53123, 400, "MaxParticipantDuration is out of range"),
    ErrorKind(53124, 400, "The AudioOnly flag is not supported for the Room type"),
    ErrorKind(53125, 400, "The track kind is not supported by the Room"),
    ErrorKind(53200, 400, "Participant identity is invalid"),
    ErrorKind(53201, 400, "Participant identity is too long"),
    ErrorKind(53202, 400, "Participant identity contains invalid characters"),
    ErrorKind(
        53203, 400, "The maximum number of published tracks allowed in the Room at the same time has been reached"
    ),
    ErrorKind(53204, 404, "Participant not found"),
    ErrorKind(53205, 400, "Participant disconnected because of duplicate identity"),
    ErrorKind(53206, 400, "Concurrent participants quota exceeded"),
    ErrorKind(53207, 400, "MaxPublishedTracks is out of range"),
    ErrorKind(53208, 400, "Bandwidth profile is invalid"),
    ErrorKind(53209, 400, "Participant Status is invalid"),
    ErrorKind(53215, 400, "Invalid Subscribe Rule(s)"),
    ErrorKind(53216, 400, "Participant exceeded MaxParticipantDuration"),
    ErrorKind(53217, 400, "MaxTracks is out of range"),
    ErrorKind(53300, 400, "Track is invalid"),
    ErrorKind(53301, 400, "Track name is invalid"),
    ErrorKind(53302, 400, "Track name is too long"),
    ErrorKind(53303, 400, "Track name contains invalid characters"),
    ErrorKind(53304, 400, "Track name is duplicated"),
    ErrorKind(53305, 400, "The server has reached capacity and cannot fulfill this request"),
    ErrorKind(53400, 400, "Client is unable to create or apply a local media description"),
    ErrorKind(53401, 400, "Server is unable to create or apply a local media description"),
    ErrorKind(53402, 400, "Client is unable to apply a remote media description"),
    ErrorKind(53403, 400, "Server is unable to apply a remote media description"),
    ErrorKind(53404, 400, "No supported codec"),
    ErrorKind(53405, 400, "Media connection failed or Media activity ceased"),
    ErrorKind(53407, 400, "Media DTLS transport failed"),
    ErrorKind(53408, 400, "ICE restart is not allowed"),
    ErrorKind(53500, 503, "Unable to acquire configuration"),
    ErrorKind(53501, 503, "Unable to acquire TURN credentials"),
    ErrorKind(53628, 400, "The recordings of the Composition have been deleted"),
    ErrorKind(
        53630, 400, "The Composition has no source: what was asked for, less what was excluded, is an empty list"
    ),
    ErrorKind(53633, 400, "The sources of the Composition are too large"),
)

ERRORS: dict[int, ErrorKind] = {kind.code: kind for kind in _KINDS}


class Refused(Exception):
    """
    The peer asked for something the contract does not allow. It has changed nothing.

    `code` is one of `ERRORS`; `message` replaces the table's text where the contract has a more exact one.
    """

    def __init__(self, code: int, message: str | None = None) -> None:
        self.kind = ERRORS[code]
        self.code = code
        self.message = message or self.kind.message
        super().__init__(f"{code} {self.message}")
