"""The order of the listener's rules: aws-semantics fact 32.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#listener-rules
"""

from hypothesis import given
from hypothesis import strategies as st

from flyball.core.model import Application, Condition, FixedResponse, Listener, Redirect, Route, Service
from flyball.core.model.rules import Forward, Rule, rules_in_order


def application(*services: tuple[str, Route], **listener) -> Application:
    names = dict.fromkeys(name for name, _ in services)
    return Application(
        name="board",
        services=tuple(
            Service(name=name, run="serve", routes=tuple(route for owner, route in services if owner == name))
            for name in names
        ),
        listener=Listener(**listener),
    )


def route(path="/", *, host=None, headers=(), weight=1, priority=None, queue=True) -> Route:
    condition = Condition(path=path, host=host, headers=headers)
    return Route(condition=condition, weight=weight, priority=priority, queue=queue)


def order(app: Application) -> list[str]:
    return [rule.action.services[0][0] for rule in rules_in_order(app) if isinstance(rule.action, Forward)]


def test_the_lowest_number_is_looked_at_first_and_numbers_before_none():
    app = application(
        ("exact", route("/a/very/long/path", host="a.example")),
        ("late", route("/", priority=200)),
        ("early", route("/x", priority=100)),
    )
    assert order(app) == ["early", "late", "exact"]
    assert [rule.priority for rule in rules_in_order(app)] == [100, 200, 300]


def test_above_the_last_hundred_numbers_follow_each_other():
    app = application(("late", route("/x", priority=49_950)), ("one", route("/one")), ("all", route("/")))
    assert [rule.priority for rule in rules_in_order(app)] == [49_950, 50_000, 50_001]


def test_without_numbers_the_more_exact_rule_comes_first():
    app = application(
        ("all", route("/")),
        ("pattern", route("/api/*")),
        ("plain", route("/api/")),
        ("longer", route("/api/posts")),
        ("header", route("/api/posts", headers=(("x-beta", "1"),))),
        ("any-host", route("/", host="*.example")),
        ("near-host", route("/", host="*.eu.example")),
        ("host", route("/", host="a.example")),
    )
    assert order(app) == ["host", "near-host", "any-host", "header", "longer", "pattern", "plain", "all"]


def test_of_a_plain_path_and_a_pattern_of_the_same_length_the_plain_one_comes_first():
    app = application(("pattern", route("/api*")), ("plain", route("/api")))
    assert order(app) == ["plain", "pattern"]


def test_equal_conditions_share_one_rule_by_weight():
    app = application(
        ("old", route("/api", host="A.example", headers=(("X-A", "1"), ("b", "2")), weight=90)),
        ("new", route("/api/", host="a.example", headers=(("B", "2"), ("x-a", "1")), weight=10)),
        ("apart", route("/api", host="a.example", headers=(("b", "2"), ("x-a", "1")), priority=7)),
    )
    condition = Condition(path="/api", host="a.example", headers=(("b", "2"), ("x-a", "1")))
    assert rules_in_order(app) == (
        Rule(priority=7, condition=condition, action=Forward(services=(("apart", 1),))),
        Rule(priority=100, condition=condition, action=Forward(services=(("old", 90), ("new", 10)))),
    )


def test_a_rule_has_no_queue_when_every_service_of_it_says_so():
    def queued(*queues):
        services = ((f"s{number}", route("/poll", queue=queue)) for number, queue in enumerate(queues))
        (rule,) = rules_in_order(application(*services))
        return rule.action.queue

    assert [queued(True), queued(False), queued(False, False), queued(True, False)] == [True, False, False, True]


def test_redirects_and_fixed_responses_stand_among_the_routes():
    moved = Redirect(condition=Condition(path="/old/"), location="/new")
    closed = FixedResponse(condition=Condition(path="/admin*"), status=403, priority=1)
    rules = rules_in_order(application(("web", route("/")), redirects=(moved,), fixed_responses=(closed,)))
    assert [rule.action for rule in rules] == [closed, moved, Forward(services=(("web", 1),))]
    assert rules[1].condition.path == "/old"


def test_one_number_twice_keeps_the_order_of_the_file():
    app = application(
        ("one", route("/one", priority=5)), ("two", route("/two", priority=5)), ("six", route("/", priority=6))
    )
    assert [(rule.priority, rule.condition.path) for rule in rules_in_order(app)] == [
        (5, "/one"),
        (6, "/two"),
        (7, "/"),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/", "/a", "/a/", "/a*", "/a/b", "/?"]),
            st.sampled_from([None, "h", "H", "*.h"]),
            st.one_of(st.none(), st.integers(1, 5)),
        ),
        max_size=8,
    )
)
def test_priorities_are_distinct_and_rise_and_no_route_is_lost(written):
    app = application(*(("web", route(path, host=host, priority=number)) for path, host, number in written))
    rules = rules_in_order(app)
    priorities = [rule.priority for rule in rules]
    assert priorities == sorted(set(priorities))
    assert sum(weight for rule in rules for _, weight in rule.action.services) == len(written)
