"""What token-issuer is asked: to verify access tokens and Basic credentials, and to sign callbacks."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from contract.model import Message


class VerifyToken(Message):
    """
    Verify a client's access token.

    `resuming` is true for a `sync`: then an expiry that has passed and a key deleted meanwhile do not refuse it.
    """

    type: Literal["verify-token"] = "verify-token"
    token: str
    resuming: bool = False


class VerifyCredentials(Message):
    """Verify HTTP Basic credentials: account SID and auth token, or API key SID and secret."""

    type: Literal["verify-credentials"] = "verify-credentials"
    user: str
    password: str


VerifyRequest = Annotated[VerifyToken | VerifyCredentials, Field(discriminator="type")]


class TokenVerified(Message):
    """A token is good. `room` is the only room it admits to (name or SID), or None. Times are epoch seconds."""

    type: Literal["token-verified"] = "token-verified"
    account_sid: str
    key_sid: str
    identity: str
    room: str | None
    not_before_s: float | None
    expires_at_s: float


class CredentialsVerified(Message):
    """Credentials are good. `is_account` tells an account's auth token from an API key's secret."""

    type: Literal["credentials-verified"] = "credentials-verified"
    account_sid: str
    user: str
    is_account: bool


class NotVerified(Message):
    """Refused, with a code of `contract.errors`: 20003 for credentials, 20101 to 20107 and 532xx for tokens."""

    type: Literal["not-verified"] = "not-verified"
    code: int
    message: str


VerifyReply = Annotated[TokenVerified | CredentialsVerified | NotVerified, Field(discriminator="type")]


class SignCallback(Message):
    """Sign a callback: the message as section 17 of the REST contract builds it, before HMAC."""

    account_sid: str
    message: str


class CallbackSignature(Message):
    """`signature` is base64 of HMAC-SHA1 under the account's auth token."""

    signature: str


class KeysChanged(Message):
    """A key came, changed or went: forget what was verified with it."""

    key_sid: str


verify_request: TypeAdapter[VerifyToken | VerifyCredentials] = TypeAdapter(VerifyRequest)
verify_reply: TypeAdapter[TokenVerified | CredentialsVerified | NotVerified] = TypeAdapter(VerifyReply)
