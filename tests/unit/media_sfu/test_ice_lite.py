import pytest
from aioice import stun
from media_sfu.core.actions import IceCredentials
from media_sfu.ice_lite import CheckAnswered, CheckRefused, IceLiteConnection, parse_check

OLD = IceCredentials("old1", "old-password-0123456789")
NEW = IceCredentials("new1", "new-password-0123456789")
HOME, MOBILE = ("192.0.2.1", 4000), ("198.51.100.1", 5000)


@pytest.fixture
def ice():
    return IceLiteConnection(OLD)


def check(credentials=OLD, *, nominates=False, password=None):
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"transaction1")
    request.attributes["USERNAME"] = f"{credentials.ufrag}:them"
    if nominates:
        request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity((password or credentials.pwd).encode())
    return parse_check(bytes(request))


def test_a_valid_check_is_answered_with_the_address_it_came_from(ice):
    answer = ice.receive_check(check(), HOME, now=0.0)

    response = stun.parse_message(answer.response)
    assert response.attributes["XOR-MAPPED-ADDRESS"] == HOME
    assert response.check_message_integrity(OLD.pwd.encode())
    assert (answer.is_new, answer.is_selected) == (True, True)


def test_a_wrong_password_is_refused(ice):
    assert ice.receive_check(check(password="x" * 22), HOME, now=0.0) is CheckRefused.BAD_INTEGRITY
    assert ice.addresses == ()


def test_a_second_address_is_bound_but_not_selected_until_it_is_nominated(ice):
    ice.receive_check(check(), HOME, now=0.0)

    assert not ice.receive_check(check(), MOBILE, now=0.1).is_selected
    assert ice.receive_check(check(nominates=True), MOBILE, now=0.2).is_selected
    assert ice.selected == MOBILE


def test_an_address_that_has_fallen_silent_is_left_for_one_that_checks(ice):
    ice.receive_check(check(nominates=True), HOME, now=0.0)

    assert not ice.receive_check(check(), MOBILE, now=5.0).is_selected
    assert ice.receive_check(check(), MOBILE, now=7.0).is_selected


def test_after_a_restart_both_credentials_are_good_until_the_new_ones_are_used(ice):
    ice.receive_check(check(), HOME, now=0.0)
    ice.restart(NEW)

    assert isinstance(ice.receive_check(check(), HOME, now=1.0), CheckAnswered)
    assert ice.receive_check(check(NEW), MOBILE, now=2.0).is_selected
    assert ice.receive_check(check(), HOME, now=3.0) is CheckRefused.UNKNOWN_USERNAME


def test_a_restart_on_the_same_address_counts_too(ice):
    ice.receive_check(check(), HOME, now=0.0)
    ice.restart(NEW)

    ice.receive_check(check(NEW), HOME, now=1.0)

    assert ice.username_fragments == (NEW.ufrag,)


def test_a_restart_that_was_never_used_is_forgotten_by_the_next(ice):
    ice.receive_check(check(), HOME, now=0.0)
    ice.restart(IceCredentials("mid1", "mid-password-0123456789"))
    ice.restart(NEW)

    assert ice.username_fragments == (NEW.ufrag, OLD.ufrag)


def test_consent_ends_30_seconds_after_the_last_check(ice):
    ice.receive_check(check(), HOME, now=0.0)
    ice.receive_check(check(), HOME, now=5.0)

    assert ice.expire(now=34.9) == ()
    assert ice.expire(now=35.0) == (HOME,)
    assert ice.selected is None


@pytest.mark.parametrize(
    "data", [b"", b"\0", bytes(19), bytes(20), b"\0\1\0\4" + bytes(20), b"\0\1\xff\xff" + bytes(16)]
)
def test_what_is_no_check_is_refused(data):
    assert isinstance(parse_check(data), CheckRefused)
