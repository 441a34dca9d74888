"""The demo beside a running system, as `roomwire run` starts it."""

from playwright.async_api import Page

from tests.kit.browser import SDKS
from tests.kit.stack import Roomwire


def start_demo(roomwire: Roomwire, **settings: str) -> str:
    """Start it, with these `ROOMWIRE_*` variables too, and return its address."""
    stack = roomwire.stack
    stack.settings |= {
        "ROOMWIRE_DEMO_API_KEY": roomwire.key_sid,
        "ROOMWIRE_DEMO_API_SECRET": roomwire.key_secret,
        "ROOMWIRE_DEMO_AUTH_TOKEN": roomwire.auth_token,
        "ROOMWIRE_DEMO_CALLBACK_URL": f"{stack.demo_url}/callbacks",
        "ROOMWIRE_DEMO_NODE_MODULES": str(SDKS),
        **settings,
    }
    stack.start_service("demo")
    return stack.demo_url


REFUSAL = """(kinds) => {
  window.refused = kinds;
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = (wanted) => window.refused.some((kind) => wanted[kind])
    ? Promise.reject(new DOMException("Permission denied", "NotAllowedError")) : open(wanted);
}"""


async def refuse(page: Page, *kinds: str) -> None:
    """
    From the next page on, say no to "audio", "video" or both, as a person would: with the flag for fake devices Chromium says yes to everything.

    `window.refused` may be changed later.
    """
    await page.add_init_script(f"({REFUSAL})({list(kinds)})")
