import pytest
from visitor_board.origin import is_cross_site


@pytest.mark.parametrize(
    ("headers", "cross"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://board.example"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://board.example"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "http://board.example"}, False),
        ({"Origin": "https://BOARD.example"}, False),
        ({"Origin": "http://board.example:8080"}, True),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://[board.example"}, True),
        ({"Origin": "board.example"}, True),
        ({"Referer": "http://board.example/?before=x"}, False),
        ({"Referer": "http://board.example.evil.example/"}, True),
    ],
)
def test_who_may_post(headers: dict[str, str], cross: bool) -> None:
    assert is_cross_site({"Host": "board.example", **headers}) is cross
