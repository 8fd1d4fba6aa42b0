"""How visitors come back to a region that was away for long: it has the instances of an idle one, so little by little.

On AWS the answers of Route 53, which end one after the other, do the same.
"""

LONG_AWAY_S = 30.0


def share_back(over_s: float, since_s: float) -> int:
    """How many percent of its visitors the region gets, so long after its return: in steps of five."""
    return 100 if since_s >= over_s else max(5, int(20 * since_s / over_s) * 5)
