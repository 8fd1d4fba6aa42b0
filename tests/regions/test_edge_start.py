"""What the edge refuses to start beside."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from flyball.cli.parts import parts, regions_of
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.regions.record import EdgeRecord, names, read
from flyball.regions.starting import must_be_startable, strays, wanted
from manifests import one_service

APP = parse(one_service("routes = ['/']", "[regions.us-east-1]\n[regions.eu-west-1]\n"))


@pytest.fixture
def paths(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path / ".flyball")
    made.create()
    return made


def runs(paths: StateDirectory) -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    processes.save(paths.balancer_file, me)


def test_an_application_without_regions_is_not_taken_for_the_edge(paths: StateDirectory):
    must_be_startable(APP, paths, ())
    runs(paths)
    with pytest.raises(FileError, match="running here without regions"):
        must_be_startable(APP, paths, ())


def test_the_edge_is_not_taken_for_an_application_without_regions(paths: StateDirectory):
    EdgeRecord(port=8080, regions={"us-east-1": 20001}).write(paths.edge_file)
    runs(paths)
    must_be_startable(APP, paths, ())
    with pytest.raises(FileError, match="running here with regions"):
        must_be_startable(replace(APP, regions=()), paths, ())


def test_a_region_that_the_file_does_not_have_is_refused(paths: StateDirectory):
    with pytest.raises(FileError, match="there is no region 'mars'; choose from: us-east-1, eu-west-1"):
        must_be_startable(APP, paths, ("mars",))


def test_the_parts_are_those_that_run_or_ran_last(paths: StateDirectory):
    file = paths.root.parent / "flyball.toml"
    assert (regions_of(file), [one.region for one in parts(file)]) == ((), [None])
    paths.of_region("eu-west-1").create()
    paths.of_region("eu-west-1").journal.touch()
    assert regions_of(file) == ("eu-west-1",)
    runs(paths)
    assert regions_of(file) == ()  # what runs now has none
    EdgeRecord(port=8080, regions={"us-east-1": 20001, "eu-west-1": 20002}).write(paths.edge_file)
    assert [one.region for one in parts(file)] == ["us-east-1", "eu-west-1"]
    assert [one.region for one in parts(file, "eu-west-1")] == ["eu-west-1"]
    with pytest.raises(FileError, match="no region 'mars' is running"):
        parts(file, "mars")
    assert names(paths) == ("us-east-1", "eu-west-1")
    record = EdgeRecord(port=8080, regions={"us-east-1": 20001, "eu-west-1": 20002}, left_out=("ap-south-1",))
    record.write(paths.edge_file)
    assert read(paths) == record


def test_a_region_that_was_left_out_stays_out_and_one_that_is_new_in_the_file_starts():
    assert wanted(APP, ("eu-west-1",), None) == ("eu-west-1",)
    assert wanted(APP, (), None) == ("us-east-1", "eu-west-1")
    assert wanted(APP, (), EdgeRecord(port=8080, regions={"eu-west-1": 1}, left_out=("us-east-1",))) == ("eu-west-1",)
    assert wanted(APP, (), EdgeRecord(port=8080, regions={"eu-west-1": 1})) == ("us-east-1", "eu-west-1")


def test_a_region_that_runs_and_is_no_longer_in_the_file_is_known(paths: StateDirectory):
    for name in ("eu-west-1", "ap-south-1", "sa-east-1"):
        paths.of_region(name).create()
    assert strays(APP, paths) == ()
    for name in ("eu-west-1", "ap-south-1"):
        runs(paths.of_region(name))
    assert strays(APP, paths) == ("ap-south-1",)
