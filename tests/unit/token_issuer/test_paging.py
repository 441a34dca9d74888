"""Pages of `/2010-04-01` lists."""

import pytest
from contract.errors import Refused
from service_kit.parameters import Parameters
from token_issuer.rest.paging import Page, page_body, parse_page


@pytest.mark.parametrize(
    ("query", "page"),
    [
        (b"", Page(number=0, size=50, below=None)),
        (b"PageSize=5000", Page(number=0, size=1000, below=None)),
        (b"PageSize=2&Page=3", Page(number=3, size=2, below=None)),
        (b"PageSize=2&Page=1&PageToken=PK17", Page(number=1, size=2, below=17)),
    ],
)
def test_what_page_is_asked_for(query: bytes, page: Page) -> None:
    assert parse_page(Parameters.parse(query)) == page


def test_without_a_token_the_page_number_counts_rows() -> None:
    assert Page(number=3, size=2, below=None).offset == 6
    assert Page(number=3, size=2, below=9).offset == 0


@pytest.mark.parametrize("query", [b"PageSize=0", b"PageSize=x", b"Page=-1", b"PageToken=x", b"PageToken=PK"])
def test_bad_pages_are_refused(query: bytes) -> None:
    with pytest.raises(Refused):
        parse_page(Parameters.parse(query))


def test_a_page_in_the_middle_leads_on_and_back() -> None:
    assert page_body("keys", ["a", "b"], Page(1, 2, 9), "/K.json", last_number=7) == {
        "keys": ["a", "b"],
        "page": 1,
        "page_size": 2,
        "start": 2,
        "end": 3,
        "uri": "/K.json?PageSize=2&Page=1&PageToken=PK9",
        "first_page_uri": "/K.json?PageSize=2&Page=0",
        "next_page_uri": "/K.json?PageSize=2&Page=2&PageToken=PK7",
        "previous_page_uri": "/K.json?PageSize=2&Page=0",
    }


def test_the_last_page_leads_nowhere() -> None:
    body = page_body("keys", [], Page(0, 50, None), "/K.json", last_number=None)

    assert (body["next_page_uri"], body["previous_page_uri"], body["start"], body["end"]) == (None, None, 0, 0)
