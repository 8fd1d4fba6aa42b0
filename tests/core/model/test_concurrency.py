"""How many requests an instance works on at a time: what the file says, or what the command says."""

from dataclasses import replace

import pytest

import builders
from flyball.core.model import Queue


def service(**fields):
    return replace(builders.service(), **fields)


SAID = {
    "gunicorn -w 2 --threads 4 app:app": 8,
    ".venv/bin/gunicorn --workers=3 --threads=2 app:app": 6,
    "gunicorn -w1 --threads 4 -k gthread app:app": 4,
    "python -m gunicorn --bind 127.0.0.1:$PORT -w 1 --threads 1 app:app": 1,
    "gunicorn -w 1 -w 2 --threads 4 app:app": 8,
    "bundle exec puma -w 2 -t 2:5": 10,
    "puma -w 0 -t 5:5": 5,
    "puma --workers 1 --threads 3": 3,
    "php -S 127.0.0.1:$PORT -t public": 1,
}
UNSAID = (
    "serve",
    "uvicorn app:app --workers 2",
    "gunicorn app:app",
    "gunicorn -w 2 app:app",
    "gunicorn --threads 4 app:app",
    "gunicorn -w 2 --threads 4 -k gevent app:app",
    "gunicorn --workers-file x --threads 4 app:app",
    "gunicorn --threads 4 -w",
    "gunicorn -w $WORKERS --threads 4 app:app",
    "gunicorn -w 0 --threads 4 app:app",
    "puma -t 5:5",
    "puma -w 2",
    "php artisan serve",
)


@pytest.mark.parametrize(("run", "found"), SAID.items())
def test_a_server_that_says_what_it_takes_is_believed(run, found):
    assert service(run=run).places == found


@pytest.mark.parametrize("run", UNSAID)
def test_a_command_that_leaves_something_open_sets_no_limit(run):
    assert service(run=run).places is None


def test_phps_server_has_as_many_workers_as_the_environment_says():
    assert service(run="php -S 0:$PORT", environment=(("PHP_CLI_SERVER_WORKERS", "4"),)).places == 4


def test_a_number_in_the_file_wins_and_zero_is_no_limit():
    assert service(run="php -S 0:$PORT", concurrency=7).places == 7
    assert service(run="php -S 0:$PORT", concurrency=0).places is None


def test_nobody_waits_until_the_idle_timeout():
    assert Queue(longest_s=50.0).within(60.0) == 50.0
    assert Queue(longest_s=50.0).within(20.0) == 18.0
