"""The command `flyball`: its verbs and their options. Each verb's body has its own file, imported when it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from flyball import __version__
from flyball.cli import tasks
from flyball.cli.aws_verbs import aws
from flyball.cli.cost_verb import cost
from flyball.cli.lab_verb import lab
from flyball.cli.load_verb import load
from flyball.cli.look_verbs import doctor, exec_, network
from flyball.cli.options import File, Follow, Json, Only, Place, Region, Regions, Since, seconds
from flyball.cli.simulate_verb import simulate
from flyball.cli.tune_verb import tune
from flyball.core.errors import FileError, FlyballError

# Each verb imports what it needs when it is called: `flyball ps` must not wait for what only `flyball up` uses.
# ruff: noqa: PLC0415

app = App(
    name="flyball",
    version=__version__,
    help="Run elastic applications: one file, a real balancer, real auto scaling, here and on AWS.",
    result_action="return_value",
)
app.command(aws)

Example = Annotated[
    Literal["visitor-board", "session-app", "forum"] | None, Parameter(help="The reference application to copy.")
]


@app.command
def init(
    directory: Annotated[Path, Parameter(help="Where to write; created if missing.")] = Path(),
    *,
    example: Example = None,
) -> int:
    """Write a flyball.toml that fits what is there, or copy an example application."""
    from flyball.cli.init import run

    return run(directory, example) or 0


@app.command
def check(file: Place = None, *, json: Json = False) -> int:
    """Report every error in the file, and warn about what AWS does differently."""
    from flyball.cli.check import run

    return run(file, json=json)


@app.command
def schema() -> int:
    """Print the file's JSON Schema."""
    from flyball.cli.schema import run

    return run() or 0


@app.command
def config(file: Place = None, *, json: Json = False) -> int:
    """Print the file with every default filled in."""
    from flyball.cli.config import run

    return run(file, json=json) or 0


@app.command
def up(
    path: Place = None,
    *,
    detach: Annotated[
        bool, Parameter(name=["--detach", "-d"], negative="", help="Return once every service is up.")
    ] = False,
    port: Annotated[int | None, Parameter(help="Port of the balancer on 127.0.0.1 (default 8080).")] = None,
    region: Regions = (),
) -> int:
    """Start the application, or take over one whose control plane is gone."""
    from flyball.cli.up import run

    return run(path, detach=detach, port=port, regions=region)


@app.command(name="control-plane", show=False)
def control_plane(file: Path, *, port: int | None = None, region: str | None = None, only: tuple[str, ...] = ()) -> int:
    """Run as the control plane behind `up -d`, or as that of one region."""
    from flyball.cli.up import control

    return control(file, port, region, only)


@app.command
def down(*, file: File = None) -> int:
    """Drain and stop everything; keep the data."""
    from flyball.cli.down import run

    return run(file)


@app.command
def ps(*, region: Region = None, file: File = None, json: Json = False) -> int:
    """Show services, capacity and instances."""
    from flyball.cli.ps import run

    return run(file, region=region, json=json)


@app.command
def logs(
    service: Annotated[str | None, Parameter(help="Only this service, or this instance.")] = None,
    *,
    follow: Follow = False,
    since: Since = None,
    grep: Annotated[str | None, Parameter(help="Only lines that match this regular expression.")] = None,
    lines: Annotated[int | None, Parameter(name=["--lines", "-n"], help="The newest lines of each instance.")] = None,
    times: Annotated[bool, Parameter(name=["--times", "-t"], negative="", help="When each line was written.")] = False,
    region: Region = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Show the output of all instances, of one service, or of one instance, by time."""
    from flyball.cli.logs import Form, asked, run

    form = Form(json=json, times=times or (sys.stdout.isatty() and not json))
    return run(file, asked(service, lines, seconds(since), grep), form, follow=follow, region=region)


@app.command
def events(
    service: Only = None,
    *,
    follow: Follow = False,
    since: Since = None,
    region: Region = None,
    file: File = None,
    json: Json = False,
) -> int:
    """Show every decision with its reason."""
    from flyball.cli.events import run

    return run(file, since_s=seconds(since), service=service, follow=follow, json=json, region=region)


@app.command
def scale(
    *wishes: Annotated[str, Parameter(help="SERVICE=N")],
    hold: Annotated[str | None, Parameter(help="Pause the scaling policies for this long, such as 5m.")] = None,
    region: Region = None,
    file: File = None,
) -> int:
    """Set the desired capacity; scaling policies stay active."""
    from flyball.cli.scale import run

    return run(file, list(wishes), hold_s=seconds(hold) or 0.0, region=region)


@app.command
def deploy(
    service: Annotated[str | None, Parameter(help="One service; by default all of them, and the file.")] = None,
    *,
    source: Annotated[Path | None, Parameter(name="--from", help="Directory with the new source.")] = None,
    ref: Annotated[str | None, Parameter(help="Git reference to take the source from.")] = None,
    region: Region = None,
    file: File = None,
) -> int:
    """Release the current source and roll it out, region by region; exit 1 if it is rolled back."""
    from flyball.cli.releases import deploy

    return deploy(file, service, source=source, ref=ref, region=region)


@app.command
def rollback(
    service: Annotated[str, Parameter(help="The service to roll back.")],
    release: Annotated[int | None, Parameter(help="Its number; by default the last completed one.")] = None,
    *,
    region: Region = None,
    file: File = None,
) -> int:
    """Roll out an earlier release again; by default the last completed one."""
    from flyball.cli.releases import rollback

    return rollback(file, service, release, region=region)


@app.command
def releases(service: Only = None, *, region: Region = None, file: File = None, json: Json = False) -> int:
    """List releases."""
    from flyball.cli.releases import releases

    return releases(file, service, json=json, region=region)


@app.command
def plan(*, region: Region = None, file: File = None, json: Json = False) -> int:
    """Show what `flyball deploy` would change; exit 0 if nothing, 2 if something."""
    from flyball.cli.plan import run

    return run(file, json=json, region=region)


@app.command
def pipeline(
    number: Annotated[int | None, Parameter(help="One push; by default all of them.")] = None,
    *,
    follow: Follow = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Show the result of every `git push flyball`, or of one."""
    from flyball.cli.pipeline import run

    return run(file, number, follow=follow, json=json)


@app.command(name="post-receive", show=False)
def post_receive(file: Path, job: str) -> int:
    """Show the progress of a push to the person who pushed; called by git's hook."""
    from flyball.cli.pipeline import receive

    return receive(file, job)


for verb in (load, simulate, tune, cost):
    app.command(verb)


@app.command
def watch(*, file: File = None, times: Annotated[int | None, Parameter(show=False)] = None) -> int:
    """Show a live table: which instance serves, the capacity, and why."""
    from flyball.cli.watch import run

    return run(file, times=times)


@app.command(name="open")
def open_(
    *,
    dashboard: Annotated[bool, Parameter(negative="", help="Open the dashboard instead.")] = False,
    print_: Annotated[bool, Parameter(name="--print", negative="", help="Only print the URL.")] = False,
    file: File = None,
) -> int:
    """Open the application in a browser."""
    from flyball.cli.look import open_

    return open_(file, dashboard=dashboard, show=print_)


app.command(exec_, name="exec")
app.command(doctor)
app.command(network)


@app.command
def replay(*, file: File = None, json: Json = False) -> int:
    """Replay the recorded steps and require identical actions."""
    from flyball.cli.replay import run

    return run(file, json=json)


app.command(lab)


@app.command
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"] | None, Parameter(help="By default the one you use.")] = None,
) -> int:
    """Print the script that lets a shell complete verbs and options."""
    sys.stdout.write(tasks.completion(app, shell or Path(os.environ.get("SHELL", "bash")).name))
    return 0


tasks.arrange(app)


def main() -> None:
    """Run the command line and exit: 0 success, 1 failure, 2 wrong command line or file, 3 not running, 130 Ctrl-C."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by our parent: the next file opened would get its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r+", encoding="utf-8"))
    sys.exit(outcome(sys.argv[1:]))


def outcome(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        _complain(tasks.sentence(error, app))
        return FileError.exit_code
    except FlyballError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has seen enough; drop the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # mostly the disk: full, read-only, not ours
        _complain(f"{error.filename or 'this machine'}: {error.strerror or error}")
        return FlyballError.exit_code
    return result if isinstance(result, int) else 0


def _complain(sentence: str) -> None:
    from . import talk

    sys.stderr.write(f"{talk.printable(sentence)}\n")
