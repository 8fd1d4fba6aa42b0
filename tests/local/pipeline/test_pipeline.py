"""The pipeline's parts without a control plane: the repository that takes pushes, the spool, the stages, the plan."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flyball.core.control.observation import Deploy, Intent, ReleaseSpec
from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.control.state import Release, ReleaseStatus, ServiceState, State
from flyball.core.errors import Failed
from flyball.core.manifest import parse
from flyball.core.model import Application, Service
from flyball.local import deploys
from flyball.local.paths import StateDirectory
from flyball.local.pipeline import git, git_remote, spool
from flyball.local.pipeline.pipeline import Pipeline
from flyball.local.pipeline.records import Records, Run, Status
from flyball.local.record.journal import Journal
from flyball.local.releases import builds
from manifests import one_service
from waiting import soon

FILE = one_service('routes = ["/"]', name="shop", run="python3 server.py")
WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")


def commit(work: Path, subject: str, **files: str) -> str:
    for name, text in files.items():
        (work / name.replace("_", ".")).write_text(text)
    git.run("add", ".", directory=work)
    git.run(*WHO, "commit", "-q", "--allow-empty", "-m", subject, directory=work)
    return git.run("rev-parse", "HEAD", directory=work)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A git work tree."""
    git.run("init", "-q", "-b", "main", directory=tmp_path)
    return tmp_path


@pytest.fixture
def file(work: Path) -> Path:
    """The application's file, in a directory of the work tree."""
    (work / "shop").mkdir()
    (work / "shop" / "flyball.toml").write_text(FILE)
    return work / "shop" / "flyball.toml"


@pytest.fixture
def paths(file: Path) -> StateDirectory:
    found = StateDirectory(file.parent / ".flyball")
    found.create()
    return found


# The repository


def test_the_work_tree_gets_a_remote_and_the_repository_knows_where_the_file_lies(
    work: Path, file: Path, paths: StateDirectory
) -> None:
    first = git_remote.prepare(paths, file, branch="main")
    again = git_remote.prepare(paths, file, branch="main")
    assert (first.name, first.branch, bool(first.note)) == ("flyball", "main", True)
    assert (again.name, again.note) == ("flyball", "")
    assert git.run("remote", "get-url", "flyball", directory=work) == str(paths.git)
    assert git_remote.prefix(paths.git) == "shop/"


@pytest.mark.parametrize(
    ("lines", "remotes"), [("", ""), ("test = 'true'", "flyball"), ("[pipeline]\nbranch = 'live'", "flyball")]
)
async def test_a_remote_is_added_only_if_the_file_speaks_of_pushes(
    work: Path, file: Path, paths: StateDirectory, lines: str, remotes: str
) -> None:
    found = await git_remote.offer(paths, file, parse(one_service(lines)))
    assert found is not None
    assert (found.name or "") == git.run("remote", directory=work) == remotes
    assert found.note.startswith("git remote add flyball " if not remotes else "remote flyball added")


def test_a_remote_of_that_name_that_leads_elsewhere_stays(work: Path, file: Path, paths: StateDirectory) -> None:
    git.run("remote", "add", "flyball", "https://example.org/flyball.git", directory=work)
    found = git_remote.prepare(paths, file, branch="main")
    assert found.name is None
    assert "stays" in found.note
    assert git.run("remote", "get-url", "flyball", directory=work) == "https://example.org/flyball.git"


def test_a_remote_of_a_directory_that_was_moved_is_mended(work: Path, file: Path, paths: StateDirectory) -> None:
    git.run("remote", "add", "flyball", "/nowhere/shop/.flyball/git", directory=work)
    assert git_remote.prepare(paths, file, branch="main").name == "flyball"
    assert git.run("remote", "get-url", "flyball", directory=work) == str(paths.git)


def test_without_a_work_tree_there_is_only_the_repository(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    found = git_remote.prepare(paths, tmp_path / "flyball.toml", branch="live")
    assert (found.name, found.note, found.url) == (None, "", str(paths.git))
    assert git.run("symbolic-ref", "HEAD", directory=paths.git) == "refs/heads/live"


@pytest.fixture
def pushable(work: Path, file: Path, paths: StateDirectory) -> Callable[..., str]:
    """Pushes and gives what the pusher sees."""
    git_remote.prepare(paths, file, branch="main")

    def push(*arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            ["git", "push", *arguments], cwd=work, env=git.environment(), capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr

    return push


@pytest.mark.live
def test_a_push_waits_in_the_spool_also_when_this_python_is_gone(
    work: Path, paths: StateDirectory, pushable: Callable[..., str]
) -> None:
    hook = paths.git / "hooks" / "post-receive"
    hook.write_text(hook.read_text().replace(sys.executable, "/nowhere/python"))
    first = commit(work, "first")
    assert "the push is kept and runs when `flyball up` comes back" in pushable("flyball", "main")
    assert [job.commit for job in spool.waiting(paths.spool)] == [first]


@pytest.mark.live
def test_another_branch_is_kept_but_not_rolled_out(
    work: Path, paths: StateDirectory, pushable: Callable[..., str]
) -> None:
    commit(work, "first")
    assert "only main is rolled out" in pushable("flyball", "main:try")
    assert spool.waiting(paths.spool) == []


@pytest.mark.live
def test_history_is_not_rewritten(work: Path, paths: StateDirectory, pushable: Callable[..., str]) -> None:
    commit(work, "first")
    pushable("flyball", "main")
    git.run(*WHO, "commit", "-q", "--amend", "--allow-empty", "-m", "other", directory=work)
    assert "non-fast-forward" in pushable("--force", "flyball", "main", fails=True)
    assert "prohibited" in pushable("flyball", ":main", fails=True)
    assert len(spool.waiting(paths.spool)) == 1


def test_a_tree_that_leads_out_of_itself_is_refused(work: Path, tmp_path: Path) -> None:
    (work / "out").symlink_to("/etc/passwd")
    commit(work, "out")
    (tmp_path / "into").mkdir()
    with pytest.raises(Failed, match="cannot be unpacked"):
        git.export(work, "HEAD", tmp_path / "into")
    with pytest.raises(Failed):
        git.commit(work, "nothing")


# The stages, with a control plane that does everything at once


class Plane:
    """A control plane whose rollouts end at once: well, or as `ends` says."""

    def __init__(self, file: Path, paths: StateDirectory, *, ends: str = "") -> None:
        self.app: Application = parse(FILE)
        self.file, self.paths, self.ends = file, paths, ends
        self.listeners: set[Callable[[Event], None]] = set()
        self.inside_url = "http://127.0.0.1:1"
        self.walls = None
        self.state = State(origin=0.0, services=(ServiceState(name="web", desired=1),))
        self.intents: list[Intent] = []
        self.events: list[Event] = []
        self._now = 0.0
        self.deploys = self

    def now(self) -> float:
        self._now += 1.0
        return self._now

    async def spec(self, service: Service, source: Path) -> ReleaseSpec:
        content = builds.snapshot(source, self.paths.releases, built=service.build is not None)
        return ReleaseSpec(content=content, run=service.run, build=service.build)

    def told(self, since: float) -> list[Event]:
        return [event for event in self.events if event.at >= since]

    async def change(self, app: Application, *, pushed: bool = False) -> None:
        assert pushed
        self.app = app

    async def submit(self, intent: Intent) -> list[Event]:
        assert isinstance(intent, Deploy)
        self.intents.append(intent)
        web = self.state.services[0]
        number = len(web.releases) + 1
        status = ReleaseStatus.FAILED if self.ends else ReleaseStatus.COMPLETED
        ends = [(ReasonKind.ROLLOUT_FAILED, self.ends), (ReasonKind.REFUSED, "there is nothing to go back to")]
        for kind, text in ends if self.ends else [(ReasonKind.ROLLOUT_COMPLETED, "it serves")]:
            why = Reason(kind=kind, service="web", text=text, release=number)
            self.events.append(Event(id=len(self.events) + 1, at=self._now, reason=why))
        made = Release(number=number, spec=intent.spec, status=status, created_at=0.0, message=self.ends)
        serving = web.release if self.ends else number
        self.state = replace(self.state, services=(replace(web, release=serving, releases=(*web.releases, made)),))
        why = Reason(kind=ReasonKind.RELEASE_CREATED, service="web", text="made", release=number)
        return [Event(id=1, at=0.0, reason=why)]


async def passed(plane: Plane, count: int) -> list[Run]:
    """Let the pipeline run until so many pushes have passed; the newest first."""
    pipeline = Pipeline(plane)

    def enough() -> list[Run] | None:
        runs = pipeline.records.runs()
        return runs if len([run for run in runs if run.status is not Status.RUNNING]) >= count else None

    task = asyncio.ensure_future(pipeline.run())
    try:
        return await soon(enough, what="the pushes have passed")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        pipeline.close()


def spooled(paths: StateDirectory, name: str, commit_id: str) -> None:
    (paths.spool / name).write_text(f"{commit_id}\n")


@pytest.fixture
def pushed(work: Path, file: Path, paths: StateDirectory) -> Callable[..., str]:
    """Commits files beside the file, as if they had been pushed, and spools the job; the commit."""
    git_remote.prepare(paths, file, branch="main")
    count = 0

    def put(**files: str) -> str:
        nonlocal count
        count += 1
        for name, text in files.items():
            (file.parent / name.replace("_", ".")).write_text(text)
        made = commit(work, f"number {count}")
        git.run("fetch", "-q", str(work), "main:main", directory=paths.git)
        spooled(paths, f"{count}", made)
        return made

    return put


@pytest.mark.live
async def test_a_push_passes_every_stage_with_stores_of_its_own(
    file: Path, paths: StateDirectory, pushed: Callable[..., str]
) -> None:
    test = "test -w server.py && echo $NOTES_URL > url.txt && cat url.txt && test ! -e ../../../stores/notes.db"
    stores = '\n[stores.notes]\nkind = "table"\nkey = { id = "string" }\n'
    pushed(server_py="print()", flyball_toml=f"{FILE}build = 'echo made > made.txt'\ntest = '{test}'\n" + stores)
    plane = Plane(file, paths)
    (run,) = await passed(plane, 1)
    assert run.status is Status.SUCCEEDED, run.lines
    assert [stage.status for stage in run.stages] == [Status.SUCCEEDED] * 5
    assert run.releases == {"web": 1}
    assert isinstance(plane.intents[0], Deploy)
    assert plane.intents[0].note.endswith("by Ann")
    assert [path.name for path in paths.root.glob("pipeline/*")] == []
    assert spool.waiting(paths.spool) == []


@pytest.mark.live
@pytest.mark.parametrize(
    ("files", "fails"),
    [
        ({"flyball_toml": FILE + "helth = 1\n"}, ("source", "did you mean `health`")),
        ({"flyball_toml": FILE.replace("shop", "other")}, ("source", "this cannot change while it runs")),
        ({"flyball_toml": FILE + 'source = "../.."\n'}, ("source", "outside the repository")),
        ({"flyball_toml": FILE + "build = 'echo no compiler; exit 3'\n"}, ("build", "no compiler")),
        ({"flyball_toml": FILE + "test = 'echo one is not two; exit 1'\n"}, ("test", "one is not two")),
    ],
)
async def test_a_failing_stage_ends_it_before_anything_has_changed(
    file: Path, paths: StateDirectory, pushed: Callable[..., str], files: dict[str, str], fails: tuple[str, str]
) -> None:
    stage, says = fails
    pushed(server_py="print()", **files)
    plane = Plane(file, paths)
    before = plane.app
    (run,) = await passed(plane, 1)
    assert (run.status, run.stages[-1].name, run.stages[-1].status) == (Status.FAILED, stage, Status.FAILED)
    assert says in "\n".join(run.lines)
    assert f"FAILED at {stage}" in run.lines[-1]
    assert plane.intents == []
    assert plane.app is before


@pytest.mark.live
async def test_an_equal_push_releases_nothing_and_a_rollout_that_fails_is_told(
    file: Path, paths: StateDirectory, pushed: Callable[..., str]
) -> None:
    pushed(server_py="print()")
    plane = Plane(file, paths)
    await passed(plane, 1)
    pushed()
    runs = await passed(plane, 2)
    assert runs[0].status is Status.SUCCEEDED
    assert {stage.status for stage in runs[0].stages[1:]} == {Status.SKIPPED}
    pushed(server_py="print(2)")
    plane.ends = "3 failed instances"
    runs = await passed(plane, 3)
    assert runs[0].status is Status.FAILED
    assert runs[0].message == "web: 3 failed instances"
    assert len(plane.intents) == 2


@pytest.mark.live
async def test_of_pushes_that_wait_the_newest_is_taken(
    file: Path, paths: StateDirectory, pushed: Callable[..., str]
) -> None:
    pushed(server_py="print(1)")
    newest = pushed(server_py="print(2)")
    runs = await passed(Plane(file, paths), 2)
    assert {run.commit: run.status for run in runs}[newest] is Status.SUCCEEDED
    assert [run.status for run in runs if run.commit != newest] == [Status.SUPERSEDED]


@pytest.mark.live
async def test_a_commit_that_is_not_there_fails_at_its_source(
    file: Path, paths: StateDirectory, pushed: Callable[..., str]
) -> None:
    spooled(paths, "1", "0" * 39 + "1")
    (run,) = await passed(Plane(file, paths), 1)
    assert (run.status, run.stages[-1].name) == (Status.FAILED, "source")


def test_a_run_that_was_begun_is_found_again(tmp_path: Path) -> None:
    records = Records(tmp_path / "journal.db")
    run = records.begin("job", "abc", now=1.0)
    run.releases["web"] = 4
    records.save(run)
    records.close()
    records = Records(tmp_path / "journal.db")
    assert records.begin("job", "abc", now=2.0) == run
    assert records.begin("other", "def", now=3.0).number == 2
    assert [one.number for one in records.runs()] == [2, 1]
    records.close()


# The file beside


def test_a_pushed_file_outlives_the_control_plane_until_the_one_beside_changes(tmp_path: Path) -> None:
    file, journal = tmp_path / "flyball.toml", Journal(tmp_path / "journal.db")
    file.write_text(FILE)
    beside, pushed = parse(FILE), parse(FILE + "instances = 3\n")
    assert deploys.restored(journal, file, beside) == beside
    deploys.remember(journal, file, pushed)
    assert deploys.restored(journal, file, beside) == pushed
    file.write_text(FILE + "# changed\n")
    assert deploys.restored(journal, file, beside) == beside
    file.write_text(FILE)
    deploys.remember(journal, file, None)
    assert deploys.restored(journal, file, beside) == beside
    journal.close()


def test_one_service_of_a_changed_file_is_applied_alone() -> None:
    more = "[services.more]\nrun = 'x'\n"
    running, wanted = parse(FILE + more), parse(FILE + "instances = 3\n" + more.replace("'x'", "'y'"))
    found = deploys.only(running, wanted, "more")
    assert found.service("web") == running.service("web")
    assert found.service("more").run == "y"
    assert [one.name for one in deploys.only(parse(FILE), wanted, "more").services] == ["web", "more"]
    with pytest.raises(Failed, match="has no service 'more' any more"):
        deploys.only(running, parse(FILE), "more")
