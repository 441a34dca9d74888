"""Messages of media signaling."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_sfu.core import media_signaling
from media_sfu.core.media_signaling import (
    ClientReset,
    Dimensions,
    MediaSignaling,
    PublisherHintsAnswered,
    QualityInputs,
    Ready,
    RenderHint,
    RenderHints,
    TrackPriorityChanged,
    parse,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"ready"}', Ready),
        ('{"type":"track_priority","track":"MT1","subscribe":"high"}', TrackPriorityChanged),
        ('{"type":"track_priority","track":"MT1","subscribe":null}', TrackPriorityChanged),
        ('{"type":"publisher_hints","id":7,"hints":[{"track":"MT1","result":"OK"}]}', PublisherHintsAnswered),
        ('{"type":"client_reset","track":"MT1","id":3}', ClientReset),
        (
            '{"type":"network_quality","ice":{"availableSend":3000000,"recv":36722.4,"rtt":0.001,"send":1117116.9},'
            '"send":{"bitrate":0,"rtt":0.02},"recv":{"bitrate":0,"fractionLost":0,"jitter":0},"reportLevel":1,"remoteReportLevel":0}',
            QualityInputs,
        ),
    ],
)
def test_every_client_message_is_read(text: str, kind: type) -> None:
    assert isinstance(parse(text), kind)


def test_quality_of_the_others_may_be_asked_for_at_level_null() -> None:
    """So the SDK does for `networkQuality: {local: 1, remote: null}`."""
    message = parse('{"type":"network_quality","reportLevel":1,"remoteReportLevel":null}')

    assert isinstance(message, QualityInputs)
    assert (message.report_level, message.remote_report_level) == (1, 0)


def test_a_render_hint_may_lack_a_member() -> None:
    message = parse(
        '{"type":"render_hints","subscriber":{"id":1,"hints":['
        '{"track":"MT1","enabled":false},{"track":"MT2","render_dimensions":{"width":300,"height":150}}]}}'
    )

    assert isinstance(message, RenderHints)
    assert message.subscriber.hints == (
        RenderHint(track="MT1", enabled=False),
        RenderHint(track="MT2", render_dimensions=Dimensions(width=300, height=150)),
    )
    assert json.loads(media_signaling.render_hints_answer(message, ["MT2"])) == {
        "type": "render_hints",
        "subscriber": {
            "id": 1,
            "hints": [{"track": "MT1", "result": "UNKNOWN_TRACK"}, {"track": "MT2", "result": "OK"}],
        },
    }


@given(st.text())
def test_what_is_no_message_is_none(text: str) -> None:
    assert parse(text) is None
    assert parse('{"type":"render_hints","subscriber":' + text + "}") is None


def test_a_huge_message_is_none() -> None:
    assert parse('{"type":"ready"' + " " * 70_000 + "}") is None


def test_publisher_hints_name_each_layer() -> None:
    assert json.loads(media_signaling.publisher_hints(7, "MT1", (True, False))) == {
        "type": "publisher_hints",
        "publisher": {
            "id": 7,
            "hints": [
                {
                    "track": "MT1",
                    "encodings": [{"layer_index": 0, "enabled": True}, {"layer_index": 1, "enabled": False}],
                }
            ],
        },
    }


def test_only_what_was_asked_for_and_is_served_is_opened() -> None:
    signaling = MediaSignaling(["extension_transcriptions", "render_hints", "something-new"])

    assert signaling.labels == {"render_hints": "media-signaling.render_hints"}
    assert signaling.channel("media-signaling.render_hints") == "render_hints"


def test_a_closed_channel_is_served_no_more() -> None:
    signaling = MediaSignaling(["render_hints"])
    signaling.set_ready("render_hints")
    signaling.close("media-signaling.render_hints")

    assert signaling.labels == {}
    assert not signaling.is_ready("render_hints")
