"""The people of the tests: each has a pitch, a picture and a chat of its own, so that nobody is taken for another."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.kit.browser import Tab, Wish, audio, data, video

PEOPLE = {"alice": 1, "bob": 2, "carol": 3, "dave": 4}
OpenTab = Callable[[str], Awaitable[Tab]]
Join = Callable[..., Awaitable[Tab]]


def hertz(identity: str) -> int:
    """The pitch of a person's tone."""
    return 300 + 200 * PEOPLE[identity]


def tracks(identity: str, **options: Any) -> list[Wish]:
    """A person's microphone, camera and chat; `options` are the camera's."""
    return [
        audio(f"{identity}-microphone", hertz=hertz(identity)),
        video(f"{identity}-camera", source=PEOPLE[identity], **options),
        data(f"{identity}-chat"),
    ]


async def meets(tab: Tab, identity: str) -> None:
    """This tab sees that person's own pictures changing, and hears that person's own tone."""
    await asyncio.gather(
        tab.sees(f"{identity}-camera", PEOPLE[identity]), tab.hears(f"{identity}-microphone", hertz(identity))
    )


async def meet(*tabs: Tab) -> None:
    """Each of these people sees and hears all the others; the tabs have their names."""
    await asyncio.gather(*(meets(tab, other.name) for tab in tabs for other in tabs if other is not tab))
