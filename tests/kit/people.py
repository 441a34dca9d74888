"""The people of the tests: each has a pitch, a picture and a chat of its own, so that nobody is taken for another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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


SOME_FRAMES = 15
"""A second of a camera."""


@asynccontextmanager
async def seeing_throughout(tab: Tab, other: Tab) -> AsyncIterator[None]:
    """
    While the body runs, what the other's camera sends comes to this tab, which meets that person at the end as well.

    By frames, and not by times: on a machine that stalls nothing is sent for a while either, and what comes late has come.
    """
    camera = f"{other.name}-camera"
    came_before = await tab.frames(camera)
    sent_before = await other.frames(camera)
    yield
    await meets(tab, other.name)
    sent = await other.frames(camera) - sent_before
    came = await tab.frames(camera) - came_before
    assert sent > 0
    assert came > sent - SOME_FRAMES, f"{tab.name} got {came} of {sent} frames of {camera}"
