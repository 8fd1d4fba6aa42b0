"""The generated scripts, and a shell in which every command of theirs is played and one of them fails."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from aws.template import Stack, text

REFERENCE = re.compile(r"<([A-Za-z][A-Za-z0-9:.]*)>")
PLACES = re.compile(r"/(etc|opt|tmp|usr/local/bin|var/log)/")
FOLDERS = (
    "etc/logrotate.d",
    "etc/sysctl.d",
    "etc/systemd/system",
    "opt/application",
    "opt/uv/bin",
    "tmp",
    "usr/local/bin",
    "var/log",
)
BY_PATH = ("opt/uv/bin/pip", "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl")
NAMES = (
    "alternatives", "aws", "cat", "chmod", "chown", "cp", "curl", "cut", "dnf", "docker", "install", "ln", "mkdir",
    "pip", "python", "python3.11", "python3.12", "tr", "runuser", "seq", "sh", "sleep", "sysctl",
    "systemctl", "tar", "useradd",
)  # fmt: skip
COMMAND = """\
#!/bin/bash
line="${0##*/} $*"
printf '%s\\0' "$line" >> "$CALLS"
case "$FAILS" in *"<$line>"*) exit 1 ;; esac
case "$line" in
  "cat "* | "chmod "* | "cut "* | "mkdir "* | "seq "* | "tr "*) exec "/bin/${0##*/}" "$@" ;;
  "cp "*) exec /bin/mkdir -p "${@: -1}" ;;
  *api/token*) echo token ;;
  *meta-data/instance-id*) echo i-0abc ;;
  *meta-data/placement/availability-zone*) echo zone1 ;;
  *meta-data/tags/instance/flyball-release*) echo 0123456789ab ;;
  *get-secret-value*) echo rediss://:secret@cache:6379/0 ;;
esac
"""


def scripts(stack: Stack) -> dict[str, str]:
    """Every shell script of a template: user data and the scripts of build specifications."""
    found = {
        name: text(template["LaunchTemplateData"]["UserData"])
        for name, template in stack.all("EC2::LaunchTemplate").items()
    }
    for name, project in stack.all("CodeBuild::Project").items():
        specification = text(project["Source"]["BuildSpec"])
        found[name] = "#!/bin/bash\n" + "\n".join(
            line.removeprefix("        ")
            for line in specification.split("      - |\n", 1)[1].split("artifacts:\n")[0].splitlines()
        )
    return {name: REFERENCE.sub(r"\1", script) for name, script in found.items()}


class Shell:
    """A directory that plays the machine of a script, whose commands do nothing but what the script needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for place in FOLDERS:
            (root / place).mkdir(parents=True)
        for place in (*(f"bin/{name}" for name in NAMES), *BY_PATH):
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(COMMAND, encoding="utf-8")
            path.chmod(0o755)
        (root / "release.txt").write_text("0123456789ab", encoding="utf-8")

    def run(self, script: str, *, fails: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        """The exit code of the script and its commands, of which those that read as in `fails` fail."""
        calls = self.root / "calls"
        calls.write_text("", encoding="utf-8")
        env = {
            "CALLS": str(calls),
            "CODEBUILD_RESOLVED_SOURCE_VERSION": "0123456789abcdef",
            "FAILS": "".join(f"<{line}>" for line in fails),
            "PATH": str(self.root / "bin"),
            "HOME": os.environ.get("HOME", "/"),
        }
        done = subprocess.run(
            ["/bin/bash", "-c", PLACES.sub(rf"{self.root}/\1/", script)],
            cwd=self.root, env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, calls.read_text(encoding="utf-8").split("\0")[:-1]
