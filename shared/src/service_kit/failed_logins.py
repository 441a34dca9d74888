"""
Who has failed to log in too often of late, and so is not even looked at. Decides without a clock; knows no request.

Counted are failures alone, by address and by address and user. What succeeded is remembered, and from then on looked at whoever else fails: somebody behind
the same proxy, or who knows the user's name, cannot keep anybody out who was in before.
"""

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

ADDRESS_BURST_S = 20.0
"""An address may fail so many seconds' worth at once: it may be that of a proxy, of a whole school, or of a test suite."""

USER_SHARE = 0.1
"""Of an address's pace is one user's from there. A program with an outdated secret gets its 401 for a while, and then at this pace."""
USER_BURST_S = 50.0

REMEMBERED = 10_000
"""Of users, of addresses, and of what succeeded. Who was not seen for longest is forgotten."""
REMEMBERED_S = 3600.0


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody tries. `digest` stands for all that was presented."""

    address: str
    user: str | None
    digest: bytes


class FailedLogins:
    """
    Ask `admits` before a login is looked at, and say what came of it; nothing when nobody could tell. Of one process. An address may fail `per_second`, 0: as
    often as it likes. `digest_key` is random, and no secret is kept.
    """

    def __init__(self, digest_key: bytes, per_second: float) -> None:
        self._digest_key = digest_key
        self._is_limited = per_second > 0
        self._users = _Allowances(USER_BURST_S, per_second * USER_SHARE)
        self._addresses = _Allowances(ADDRESS_BURST_S, per_second)
        self._good: OrderedDict[bytes, float] = OrderedDict()

    def login(self, address: str, user: str | None, secret: str) -> Login:
        """`address` is an IP address, or anything else that stands for one. `user` is None where the secret itself says whose it is, and may lie."""
        presented = f"{len(user or '')}:{user or ''}{secret}".encode(errors="surrogatepass")
        return Login(_network(address), user, hmac.digest(self._digest_key, presented, hashlib.sha256))

    def admits(self, login: Login, now: float) -> bool:
        """Whether to look at it. `now` is in seconds and never runs backwards."""
        if not self._is_limited:
            return True
        good_at = self._good.get(login.digest)
        if good_at is not None and now - good_at < REMEMBERED_S:
            return True
        if login.user is not None and not self._users.has_some((login.address, login.user), now):
            return False
        return self._addresses.has_some(login.address, now)

    def receive_success(self, login: Login, now: float) -> None:
        self._good[login.digest] = now
        self._good.move_to_end(login.digest)
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)

    def receive_failure(self, login: Login, now: float) -> None:
        self._good.pop(login.digest, None)
        if login.user is not None:
            self._users.use((login.address, login.user), now)
        self._addresses.use(login.address, now)


@dataclass(slots=True)
class _Allowance:
    left: float
    filled_at: float


class _Allowances:
    """`rate` failures a second for each key, of `burst_s` at once. Those that were under way when the last one was used are counted below zero."""

    def __init__(self, burst_s: float, rate: float) -> None:
        self._most = burst_s * rate
        self._rate = rate
        self._by_key: OrderedDict[Hashable, _Allowance] = OrderedDict()

    def has_some(self, key: Hashable, now: float) -> bool:
        return self._left(self._by_key.get(key), now) >= 1

    def use(self, key: Hashable, now: float) -> None:
        left = self._left(self._by_key.get(key), now)
        self._by_key[key] = _Allowance(max(left - 1, -self._most), now)
        self._by_key.move_to_end(key)
        if len(self._by_key) > REMEMBERED:
            self._by_key.popitem(last=False)

    def _left(self, allowance: _Allowance | None, now: float) -> float:
        if allowance is None:
            return self._most
        return min(self._most, allowance.left + (now - allowance.filled_at) * self._rate)


def _network(address: str) -> str:
    """Of IPv6 the /64, which one household has whole."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    return str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, 64), strict=False).network_address)
