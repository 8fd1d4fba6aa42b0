"""`pytest tests/scenarios --update` writes what happens into the timelines instead of comparing."""


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", default=False, help="rewrite the scenario timelines")
