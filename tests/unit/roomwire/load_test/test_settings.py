from roomwire.load_test.settings import Credentials, LoadSettings, Video

CREDENTIALS = Credentials("AC1", "SK1", "secret")


def test_a_megabit_at_30_frames_is_four_packets_of_1100_octets():
    plan = Video(1_056_000, 30).plan(7)

    assert (plan.packets, plan.payload_octets, plan.last_octets) == (4, 1100, 1100)


def test_the_last_packet_of_a_frame_has_what_is_left():
    # 500 kbit/s at 25 frames: 2500 octets a frame
    plan = Video(500_000, 25).plan(7)

    assert (plan.packets, plan.payload_octets, plan.last_octets) == (3, 1100, 300)


def test_a_small_frame_is_one_packet():
    plan = Video(96_000, 30).plan(7)

    assert (plan.packets, plan.payload_octets, plan.last_octets) == (1, 400, 400)


def test_several_rooms_are_numbered():
    settings = LoadSettings("room", 1, 1, 1.0, "ws://x", CREDENTIALS, rooms=2)

    assert settings.room_names == ["room-1", "room-2"]


def test_a_secret_is_not_shown():
    assert "secret" not in repr(CREDENTIALS)
