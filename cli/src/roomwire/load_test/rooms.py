"""Creates the test's rooms by REST and completes them afterwards."""

import httpx

from roomwire.load_test.settings import Credentials

ROOM_EXISTS = 53113
PATIENCE_S = 15.0


class RestFailed(Exception):
    """The REST API cannot be reached or answered something else than it should."""


class RestRefused(RestFailed):
    """The REST API refused the credentials."""


class Rooms:
    """Rooms by name; those that were there before are used and left alone."""

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url, auth=(credentials.key_sid, credentials.secret), timeout=PATIENCE_S, trust_env=False
        )
        self._created: list[str] = []

    async def create(self, names: list[str]) -> None:
        """Raises RestFailed or RestRefused."""
        for name in names:
            answer = await self._post("/v1/Rooms", {"UniqueName": name, "Type": "group"})
            if answer.status_code == 201:
                self._created.append(str(answer.json()["sid"]))
            elif _code(answer) != ROOM_EXISTS:
                raise RestFailed(f"the room {name} cannot be created: {_message(answer)}")

    async def complete(self) -> list[str]:
        """What could not be completed, and why, in words."""
        failures: list[str] = []
        for sid in self._created:
            try:
                await self._post(f"/v1/Rooms/{sid}", {"Status": "completed"})
            except RestFailed as error:
                failures.append(f"{sid} is still in progress: {error}")
        await self._client.aclose()
        return failures

    async def _post(self, path: str, form: dict[str, str]) -> httpx.Response:
        try:
            answer = await self._client.post(path, data=form)
        except httpx.HTTPError as error:
            raise RestFailed(f"cannot reach {self._client.base_url}: {error}") from error
        if answer.status_code in (401, 403):
            raise RestRefused(f"{self._client.base_url} refused the API key: {_message(answer)}")
        return answer


def _code(answer: httpx.Response) -> int | None:
    try:
        code = answer.json().get("code")
    except ValueError:
        return None
    return int(code) if code is not None else None


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return f"HTTP {answer.status_code}"
