"""What the kernel is told of the network between rooms: every message is a whole one, and says what is declared."""

import struct

from flyball.core.boundary import place
from flyball.local.process.walls import links, rules
from flyball.local.process.walls.router import Guest, table


def messages(content: bytes) -> list[tuple[int, bytes]]:
    """Kind and body of each message."""
    found = []
    while content:
        length, kind = struct.unpack_from("=IH", content)
        assert length % 4 == 0
        found.append((kind & 0xFF if kind > 0xFF else kind, content[16:length]))
        content = content[length:]
    return found


def guest(*, everywhere: bool = True, places: tuple[str, ...] = ()) -> Guest:
    stores = (("198.19.0.5", 6379),)
    return Guest(links="w3-", stores=stores, everywhere=everywhere, places=tuple(map(place, places)))


def test_the_table_is_one_transaction():
    made = table([guest()], door=8081)
    kinds = [kind for kind, _ in messages(made.content)]
    assert kinds[0] == 16
    assert kinds[-1] == 17
    assert kinds[1:4] == [0, 2, 0]  # made, so that it can be taken away, so that it is empty
    assert kinds.count(3) == 3
    assert made.answers == len(kinds) - 2


def rule_bodies(made) -> list[bytes]:
    return [body for kind, body in messages(made.content) if kind == 6]


def test_a_service_reaches_the_balancer_and_its_stores():
    bodies = rule_bodies(table([guest(everywhere=False)], door=8081))
    assert sum(struct.pack(">H", 8081) in body and b"w3-" in body for body in bodies) == 1
    assert sum(bytes([198, 19, 0, 5]) in body and struct.pack(">H", 6379) in body for body in bodies) == 1
    assert not any(b"nat\0" in body for body in bodies)
    assert not any(struct.pack(">H", 15001) in body for body in bodies)


def test_what_goes_outside_goes_to_the_balancer():
    assert any(b"nat\0" in body for body in rule_bodies(table([guest()], door=1)))
    listed = rule_bodies(table([guest(everywhere=False, places=("10.0.0.0/8:443",))], door=1))
    (outward,) = (body for body in listed if b"nat\0" in body)
    assert bytes([10, 0, 0, 0]) in outward
    assert struct.pack(">H", 443) in outward


def test_a_port_of_this_machine_is_at_the_balancers_address():
    bodies = rule_bodies(table([guest(everywhere=False, places=("host:5432",))], door=1))
    assert sum(struct.pack(">H", 5432) in body for body in bodies) == 2  # for TCP, and for UDP
    assert not any(b"nat\0" in body for body in bodies)


def test_what_nobody_lets_through_is_refused_at_once():
    made = [body for body in rule_bodies(table([], door=1)) if b"reject\0" in body]
    assert len(made) == 2


def test_links_are_made_anew_and_addresses_may_be_there():
    gone, made = links.wire("w3-7", 1007)
    assert gone.tolerated
    assert b"w3-7\0" in made.content
    assert b"veth" in made.content
    assert links.address(2, "198.18.0.9").tolerated
    assert rules.to_own_localhost(8000).answers == 3
