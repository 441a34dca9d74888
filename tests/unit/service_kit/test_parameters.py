"""Reading form and query parameters."""

from datetime import UTC, datetime

import pytest
from contract.errors import Refused
from service_kit.parameters import Parameters


def test_a_repeated_name_is_an_array_and_the_last_one_is_the_value() -> None:
    parameters = Parameters.parse(b"VideoCodecs=VP8&VideoCodecs=H264&One=1")

    assert parameters.texts("VideoCodecs") == ["VP8", "H264"]
    assert parameters.text("VideoCodecs") == "H264"
    assert parameters.texts("One") == ["1"]
    assert parameters.texts("Absent") == []


def test_an_empty_value_is_a_value_and_names_are_case_sensitive() -> None:
    parameters = Parameters.parse(b"UniqueName=&status=completed")

    assert parameters.text("UniqueName") == ""
    assert parameters.text("Status") is None
    assert "status" in parameters


@pytest.mark.parametrize("raw", [b"UniqueName=%ff%fe", b"UniqueName=\xff", b"UniqueName=a%C3", b"UniqueName=a%00b"])
def test_what_is_not_utf8_or_has_a_nul_is_refused_with_the_code_asked_for(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        Parameters.parse(raw).text("UniqueName", 53102)

    assert refused.value.code == 53102


def test_utf8_may_come_encoded_or_plain() -> None:
    assert Parameters.parse(b"N=Caf%C3%A9+x").text("N") == "Café x"
    assert Parameters.parse("N=Café".encode()).text("N") == "Café"


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("12", 12), ("-3", -3)])
def test_integers_are_decimal_digits(text: str, value: int) -> None:
    assert Parameters([("N", text)]).integer("N") == value


@pytest.mark.parametrize("text", ["", "1.5", "1e3", " 1", "+1", "٣", "--1", "9" * 30])
def test_other_integers_are_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        Parameters([("N", text)]).integer("N")

    assert (refused.value.code, refused.value.message) == (20001, "Invalid parameter N")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_booleans_come_in_any_letter_case(text: str, value: bool) -> None:
    assert Parameters([("B", text)]).boolean("B") is value


def test_other_booleans_are_refused() -> None:
    with pytest.raises(Refused):
        Parameters([("B", "1")]).boolean("B")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"D=2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        (b"D=2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"D=2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"D=2026-01-02T03:04:05%2B02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        (b"D=2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_dates(raw: bytes, value: datetime) -> None:
    assert Parameters.parse(raw).date("D") == value


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00"])
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        Parameters([("D", text)]).date("D")
