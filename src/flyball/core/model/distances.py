"""How far is it from one region of AWS to another? The median of round trips, in ms.

Source: cloudping.co, which measures between all regions over TCP without a pause; a year's medians as of 2025,
https://github.com/mda590/cloudping.co. Both directions differ by a few ms; these are of the one named first.
"""

from __future__ import annotations

_NAMES = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1"),
    *("ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1"),
)
# Row by row: from that region to each that follows it.
_TIMES_MS: tuple[tuple[int, ...], ...] = (
    (15, 64, 64, 17, 115, 70, 78, 84, 93, 113, 193, 220, 200, 150),
    (53, 51, 28, 126, 81, 89, 95, 104, 124, 205, 204, 189, 136),
    (22, 80, 175, 130, 148, 144, 153, 173, 232, 170, 139, 108),
    (61, 175, 118, 129, 135, 143, 155, 222, 160, 141, 98),
    (125, 69, 80, 86, 93, 106, 193, 215, 198, 148),
    (179, 187, 196, 205, 223, 302, 328, 312, 259),
    (14, 20, 27, 41, 126, 179, 256, 202),
    (11, 18, 32, 118, 170, 266, 213),
    (13, 32, 109, 167, 280, 220),
    (23, 129, 160, 251, 227),
    (149, 180, 271, 247),
    (64, 155, 133),
    (95, 71),
    (106,),
)
_MS = {
    frozenset((_NAMES[row], _NAMES[row + 1 + column])): ms
    for row, times in enumerate(_TIMES_MS)
    for column, ms in enumerate(times)
}
PLACES = _NAMES


def distance_ms(place: str, other: str) -> float | None:
    """The round trip between two places; None where it was not measured."""
    return 0.0 if place == other else _MS.get(frozenset((place, other)))
