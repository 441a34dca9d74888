import jwt
from roomwire.load_test.load import expected_tracks, owed_packets, plan_participants
from roomwire.load_test.settings import Credentials, LoadSettings, Video

CREDENTIALS = Credentials("AC1", "SK1", "a secret of at least thirty-two octets")


def settings(**changes) -> LoadSettings:
    return LoadSettings(
        **{
            "room": "room",
            "publishers": 2,
            "subscribers": 4,
            "duration_s": 60.0,
            "signaling_url": "ws://x",
            "credentials": CREDENTIALS,
        }
        | changes
    )


def test_publishers_join_first_and_receive_nothing():
    plans = list(plan_participants(settings(), now_s=1000))

    assert [bool(plan.streams) for plan in plans] == [True, True, False, False, False, False]
    assert [plan.subscribes for plan in plans] == [False, False, True, True, True, True]


def test_every_stream_has_an_ssrc_of_its_own():
    plans = list(plan_participants(settings(rooms=2), now_s=1000))
    ssrcs = [stream.ssrc for plan in plans for stream in plan.streams]

    assert len(ssrcs) == len(set(ssrcs)) == 8


def test_the_first_the_middle_and_the_last_subscriber_measure_latency():
    plans = list(plan_participants(settings(publishers=1, subscribers=5), now_s=1000))

    assert [plan.decrypts for plan in plans] == [False, True, False, True, False, True]


def test_a_token_admits_to_its_room_until_after_the_test():
    plan = next(plan_participants(settings(rooms=2), now_s=1000))
    claims = jwt.decode(plan.token, CREDENTIALS.secret, algorithms=["HS256"], options={"verify_exp": False})

    assert claims["grants"] == {"identity": "load-publisher-1", "video": {"room": "room-1"}}
    assert (claims["iss"], claims["sub"], claims["exp"]) == ("SK1", "AC1", 1660)
    assert jwt.get_unverified_header(plan.token)["cty"] == "twilio-fpa;v=1"


def test_every_subscriber_expects_every_track():
    assert expected_tracks(settings()) == 2 * 2 * 4


def test_all_to_all_publishers_expect_each_others_tracks_too():
    assert expected_tracks(settings(publishers=5, subscribers=1, all_to_all=True)) == 2 * (5 * 1 + 5 * 4)


def test_what_is_sent_is_owed_to_each_subscriber_who_joined():
    publisher, other, *subscribers = plan_participants(settings(), now_s=1000)

    assert owed_packets({publisher: 100, other: 10}, [publisher, other, *subscribers[:3]]) == 3 * 110


def test_all_to_all_nobody_is_owed_its_own_packets():
    plans = list(plan_participants(settings(publishers=3, subscribers=1, all_to_all=True), now_s=1000))

    assert owed_packets({plans[0]: 100}, plans) == 3 * 100


def test_nothing_is_owed_to_other_rooms():
    plans = list(plan_participants(settings(rooms=2), now_s=1000))

    assert owed_packets({plans[0]: 100}, plans) == 4 * 100


def test_a_track_of_few_frames_may_be_silent_for_three_of_them():
    assert settings().silent_s == 2.0
    assert settings(video=Video(50_000, 0.5)).silent_s == 6.0
    assert settings(video=None).silent_s == 2.0
