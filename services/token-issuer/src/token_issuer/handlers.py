"""What the bus asks of token-issuer."""

from contract.keys import SignCallback, VerifyCredentials, VerifyToken, verify_request
from contract.subjects import KEYS_QUEUE, KEYS_SIGN, KEYS_VERIFY
from pydantic import BaseModel, TypeAdapter
from service_kit.bus import Bus

from token_issuer.keyring import Keyring

sign_callback: TypeAdapter[SignCallback] = TypeAdapter(SignCallback)


async def answer_bus(bus: Bus, keyring: Keyring) -> None:
    """Answer `keys.v1.verify` and `keys.v1.sign` from now on, sharing the work with other replicas."""

    async def verify(request: VerifyToken | VerifyCredentials) -> BaseModel:
        if isinstance(request, VerifyToken):
            return await keyring.verify_token(request.token, resuming=request.resuming)
        return await keyring.verify_credentials(request.user, request.password)

    async def sign(request: SignCallback) -> BaseModel:
        return keyring.sign_callback(request.account_sid, request.message)

    await bus.answer(KEYS_VERIFY, verify_request, verify, queue=KEYS_QUEUE)
    await bus.answer(KEYS_SIGN, sign_callback, sign, queue=KEYS_QUEUE)
