"""RecordingSettings and CompositionSettings: where an account wants its media kept. Each POST replaces everything."""

from typing import Any

from contract.ids import CREDENTIAL, is_sid
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from service_kit.parameters import Parameters, invalid
from service_kit.rest import Form, Principal
from sqlalchemy import Row

from rooms_api.rest import fields, render
from rooms_api.store.media_settings import MediaKind, MediaSettingsStore

RECORDING_PATH = "/v1/RecordingSettings/Default"
COMPOSITION_PATH = "/v1/CompositionSettings/Default"

MEMBERS = (
    "friendly_name",
    "aws_credentials_sid",
    "encryption_key_sid",
    "aws_s3_url",
    "aws_storage_enabled",
    "encryption_enabled",
)
UNSET = dict.fromkeys(MEMBERS[:4]) | dict.fromkeys(MEMBERS[4:], False)


def media_settings_router(store: MediaSettingsStore) -> APIRouter:
    router = APIRouter()

    @router.get(RECORDING_PATH)
    async def fetch_recording_settings(request: Request, who: Principal) -> JSONResponse:
        return await _fetch(request, who.account_sid, MediaKind.RECORDING, RECORDING_PATH)

    @router.post(RECORDING_PATH)
    async def update_recording_settings(request: Request, who: Principal, form: Form) -> JSONResponse:
        await store.replace(who.account_sid, MediaKind.RECORDING, read_media_settings(form))
        return await _fetch(request, who.account_sid, MediaKind.RECORDING, RECORDING_PATH)

    @router.get(COMPOSITION_PATH)
    async def fetch_composition_settings(request: Request, who: Principal) -> JSONResponse:
        return await _fetch(request, who.account_sid, MediaKind.COMPOSITION, COMPOSITION_PATH)

    @router.post(COMPOSITION_PATH)
    async def update_composition_settings(request: Request, who: Principal, form: Form) -> JSONResponse:
        await store.replace(who.account_sid, MediaKind.COMPOSITION, read_media_settings(form))
        return await _fetch(request, who.account_sid, MediaKind.COMPOSITION, COMPOSITION_PATH)

    async def _fetch(request: Request, account_sid: str, kind: MediaKind, path: str) -> JSONResponse:
        row = await store.fetch(account_sid, kind)
        return render.answer(_render(row, account_sid, render.base_url(request) + path))

    return router


def read_media_settings(form: Parameters) -> dict[str, Any]:
    """Every value, defaults filled in. Raises `Refused` 20001."""
    return {
        "friendly_name": fields.required(form, "FriendlyName"),
        "aws_credentials_sid": _credential(form, "AwsCredentialsSid"),
        "encryption_key_sid": _credential(form, "EncryptionKeySid"),
        "aws_s3_url": fields.web_url(form, "AwsS3Url", ("https",)),
        "aws_storage_enabled": form.boolean("AwsStorageEnabled") or False,
        "encryption_enabled": form.boolean("EncryptionEnabled") or False,
    }


def _credential(form: Parameters, name: str) -> str | None:
    value = form.text(name)
    if not value:
        return None
    if not is_sid(value, CREDENTIAL):
        raise invalid(name)
    return value


def _render(row: Row[Any] | None, account_sid: str, url: str) -> render.Resource:
    members = UNSET if row is None else {name: getattr(row, name) for name in MEMBERS}
    return {"account_sid": account_sid, **members, "url": url}
