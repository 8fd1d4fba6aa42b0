"""Lookups by name, a store's variable, AWS's cooldown scaled to the datapoints."""

import pytest

from flyball.core.model import Application, Scaling, Service, Store, StoreKind

APP = Application(
    name="app",
    services=(Service(name="web", run="serve"), Service(name="api", run="serve")),
    stores=(Store(name="messages", kind=StoreKind.TABLE), Store(name="user-files", kind=StoreKind.BUCKET)),
)


def test_services_and_stores_are_found_by_name():
    assert APP.service("api") is APP.services[1]
    assert APP.store("user-files") is APP.stores[1]


def test_what_is_not_there_is_a_key_error():
    with pytest.raises(KeyError, match="gone"):
        APP.service("gone")
    with pytest.raises(KeyError, match="gone"):
        APP.store("gone")


def test_a_stores_variable_is_made_of_its_name():
    assert [store.variable for store in APP.stores] == ["MESSAGES_URL", "USER_FILES_URL"]


def test_the_default_cooldown_is_five_datapoints():
    assert Scaling().default_cooldown_s == 5.0
    assert Scaling(period_s=60.0).default_cooldown_s == 300.0
