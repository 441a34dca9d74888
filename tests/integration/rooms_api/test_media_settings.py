"""RecordingSettings and CompositionSettings."""

import pytest

from tests.integration.rooms_api.conftest import AUTH_TOKEN, OTHER_ACCOUNT, RoomsApi, on_sqlite_alone
from tests.kit.rooms import ACCOUNT

PATHS = ["/v1/RecordingSettings/Default", "/v1/CompositionSettings/Default"]


@on_sqlite_alone
@pytest.mark.parametrize("path", PATHS)
async def test_settings_are_empty_at_first_and_replaced_whole(api: RoomsApi, path: str) -> None:
    empty = {
        "account_sid": ACCOUNT,
        "friendly_name": None,
        "aws_credentials_sid": None,
        "encryption_key_sid": None,
        "aws_s3_url": None,
        "aws_storage_enabled": False,
        "encryption_enabled": False,
        "url": f"http://api.test{path}",
    }
    assert await api.get(path) == empty

    posted = await api.rest.post(
        path,
        data={
            "FriendlyName": "Main store",
            "AwsCredentialsSid": "CR" + "a" * 32,
            "EncryptionKeySid": "CR" + "b" * 32,
            "AwsS3Url": "https://my-bucket.s3.amazonaws.com/recordings/",
            "AwsStorageEnabled": "true",
            "EncryptionEnabled": "True",
        },
    )
    assert posted.status_code == 200
    assert posted.json() == empty | {
        "friendly_name": "Main store",
        "aws_credentials_sid": "CR" + "a" * 32,
        "encryption_key_sid": "CR" + "b" * 32,
        "aws_s3_url": "https://my-bucket.s3.amazonaws.com/recordings/",
        "aws_storage_enabled": True,
        "encryption_enabled": True,
    }
    assert await api.get(path) == posted.json()

    again = await api.rest.post(path, data={"FriendlyName": "Other", "AwsS3Url": ""})
    assert again.json() == empty | {"friendly_name": "Other"}


@on_sqlite_alone
@pytest.mark.parametrize("path", PATHS)
async def test_bad_settings_change_nothing(api: RoomsApi, path: str) -> None:
    for bad in (
        {},
        {"AwsStorageEnabled": "true"},
        {"FriendlyName": "x", "AwsCredentialsSid": "CR12"},
        {"FriendlyName": "x", "EncryptionKeySid": "SK" + "a" * 32},
        {"FriendlyName": "x", "AwsS3Url": "http://my-bucket.s3.amazonaws.com/"},
        {"FriendlyName": "x", "AwsS3Url": "my-bucket"},
        {"FriendlyName": "x", "EncryptionEnabled": "1"},
        {"FriendlyName": "a\0b"},
    ):
        assert await api.refusal("POST", path, **bad) == (400, 20001), bad
    assert (await api.get(path))["friendly_name"] is None


@on_sqlite_alone
async def test_both_kinds_and_every_account_have_their_own(api: RoomsApi) -> None:
    await api.rest.post(PATHS[0], data={"FriendlyName": "recordings"})

    assert (await api.get(PATHS[1]))["friendly_name"] is None
    other = await api.rest.get(PATHS[0], auth=(OTHER_ACCOUNT, AUTH_TOKEN))
    assert (other.json()["account_sid"], other.json()["friendly_name"]) == (OTHER_ACCOUNT, None)
