"""Who may use which account's resources."""

from typing import Annotated

from contract.errors import Refused
from fastapi import Depends, Request
from service_kit.rest import Principal, not_found

BASE = "/2010-04-01/Accounts/{account_sid}"


async def own_account(account_sid: str, request: Request, who: Principal) -> str:
    """The account in the path, when it is the caller's. Another one is invisible: 20404."""
    if account_sid != who.account_sid:
        raise not_found(request.url.path)
    return account_sid


async def account_itself(account_sid: Annotated[str, Depends(own_account)], who: Principal) -> str:
    """The account in the path, for what needs its auth token: an API key may not manage keys (20003)."""
    if not who.is_account:
        raise Refused(20003)
    return account_sid


OwnAccount = Annotated[str, Depends(own_account)]
AccountItself = Annotated[str, Depends(account_itself)]
