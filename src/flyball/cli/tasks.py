"""The verbs by what one wants to do, an example of each, and what other tools call them."""

from __future__ import annotations

from difflib import get_close_matches

from cyclopts import App, CycloptsError, Group, UnknownCommandError, UnusedCliTokensError

from flyball.core.errors import FileError

TASKS = {
    "Write the file": ("init", "check", "config", "schema"),
    "Run it": ("up", "down", "open", "scale"),
    "Look at it": ("ps", "watch", "logs", "events", "exec", "network"),
    "Release": ("deploy", "rollback", "releases", "plan", "pipeline"),
    "Try it": ("load", "simulate", "tune", "replay"),
    "On AWS": ("aws", "cost"),
    "Learn": ("lab",),
    "This machine": ("doctor", "completion"),
}
EXAMPLES = {
    "init": ("flyball init", "flyball init --example visitor-board board"),
    "check": ("flyball check", "flyball check shop/flyball.toml --json"),
    "up": ("flyball up", "flyball up -d --port 9000"),
    "down": ("flyball down",),
    "ps": ("flyball ps", "flyball ps --json"),
    "logs": ("flyball logs -f", "flyball logs web --since 10m --grep error", "flyball logs web-3 -n 20"),
    "events": ("flyball events -f", "flyball events web --since 10m"),
    "scale": ("flyball scale web=3", "flyball scale web=3 --hold 5m"),
    "deploy": ("flyball deploy", "flyball deploy web --from ../next"),
    "rollback": ("flyball rollback web", "flyball rollback web 3"),
    "load": (
        "flyball load web --rate 50 --for 1m",
        "flyball load --stages 50:1m,400:3m",
        "flyball load --trace day.csv",
    ),
    "simulate": ("flyball simulate --stages 50:1m,400:3m", "flyball simulate --trace day.csv --seed 7"),
    "cost": ("flyball cost", "flyball cost --trace day.csv", "flyball cost --region eu-west-1 --json"),
    "tune": ('flyball tune web --slo "p99 < 200ms" --trace monday.csv --trace tuesday.csv',),
    "exec": ("flyball exec web env",),
    "network": ("flyball network", "flyball network --probe"),
    "lab": ("flyball lab session-1", "flyball lab session-2 --yes"),
    "completion": ("flyball completion bash > ~/.local/share/bash-completion/completions/flyball",),
}
FIRST_STEPS = "Begin with: flyball init, flyball check, flyball up. Beside it: flyball watch, flyball load --rate 50"
# What other tools call it.
CALLED = {
    "stop": "down", "destroy": "down", "delete": "down", "rm": "down", "kill": "down",
    "status": "ps", "list": "ps", "ls": "ps", "top": "watch", "stats": "watch",
    "restart": "deploy", "redeploy": "deploy", "release": "deploy", "push": "deploy",
    "start": "up", "run": "up", "serve": "up", "dev": "up",
    "validate": "check", "lint": "check", "new": "init", "create": "init",
    "tail": "logs", "log": "logs", "ssh": "exec", "shell": "exec", "undo": "rollback", "bench": "load",
    "dashboard": "open --dashboard",
}  # fmt: skip


def arrange(app: App) -> None:
    """Put the verbs of the help under their tasks, with their examples."""
    app.help_epilogue = FIRST_STEPS
    app.group_commands = Group("Others", sort_key=len(TASKS))
    for place, (task, verbs) in enumerate(TASKS.items()):
        group = Group(task, sort_key=place)
        for verb in verbs:
            app[verb].group = group
            if verb in EXAMPLES:
                app[verb].help_epilogue = "Examples:\n\n" + "\n\n".join(f"  {line}" for line in EXAMPLES[verb])


def completion(app: App, shell: str) -> str:
    """The script for a shell. Raises FileError for one that is not known."""
    match shell:
        case "bash" | "zsh" | "fish":
            return app.generate_completion(prog_name="flyball", shell=shell)
    raise FileError(f"there is no completion for {shell}; choose from: bash, zsh, fish")


def sentence(error: CycloptsError, app: App) -> str:
    """What is wrong with the command line, in one sentence instead of a box, and where to read more."""
    verb = " ".join(error.command_chain or ())
    if isinstance(error, UnknownCommandError):
        return _unknown(str((error.unused_tokens or ("",))[0]), verb, app)
    if isinstance(error, UnusedCliTokensError):
        what = f"unexpected argument {' '.join(error.unused_tokens or ())!r}"
    else:
        what = str(error).strip()
    return f"{what}\nsee: {' '.join(filter(None, ('flyball', verb, '--help')))}"


def _unknown(word: str, group: str, app: App) -> str:
    around = app[group] if group else app
    known = [name for name in around if not name.startswith("-") and around[name].show]
    close = [CALLED[word]] if word in CALLED else get_close_matches(word, known, n=1)
    full = " ".join(filter(None, ("flyball", group)))
    hint = f"did you mean `{full} {close[0]}`?" if close else f"there are: {', '.join(sorted(known))}"
    return f"Unknown command {word!r}; {hint}\nsee: {full} --help"
