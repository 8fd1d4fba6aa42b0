"""What a machine does on first start: install, fetch the release, build, run under systemd, report ready.

The seeds' user data ("install git, clone, run", or "install Docker, pull from ECR, start") with two differences: the
release is an archive or an image that the pipeline tested and stored, so every machine runs the same bytes; and a
lifecycle hook keeps the machine out of the balancer until its own health check passes. The release is a tag of the
machine, so a rollout changes one tag in the launch template.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from flyball.core.model import Metric, Service

from .commands import placeholder, start_script, zone_cases
from .image import UV
from .names import NOTHING, logical
from .runtimes import of

RELEASE_TAG = "flyball-release"
HOOK = "ready"
MEMORY_NAMESPACE = "Flyball/Machines"
READY_WITHIN_S = 900


def user_data(
    service: Service,
    *,
    region: str,
    zones: Mapping[str, str],
    releases: str,
    image: str | None,
    group: str,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    log_group: str,
    stack: str,
    target_group: str,
) -> str:
    """The bash script. Values may be CDK tokens.

    `zones` is as in `zone_cases`, `releases` is the bucket of release archives, `image` the repository of a service
    whose releases are images, `secrets` maps variables to secret ARNs, `group` is the name of the Auto Scaling group.
    """
    told = (*environment, *secrets, "FLYBALL_INSTANCE", "FLYBALL_RELEASE", "FLYBALL_ZONE")
    parts = (
        _facts(region=region, zones=zones, group=group),
        _reports(service, stack),
        _packages(service) if image is None else _DOCKER,
        _agent(service, log_group),
        _environment_file(environment),
        *(_secret(name, arn) for name, arn in sorted(secrets.items())),
        _LOG_ROTATION,
        _placeholder(service),
        _archive(service, releases) if image is None else _pulled(service, image, told),
        _unit(service, image),
        _ready(service, environment["PORT"], target_group),
    )
    return "\n".join(parts)


def needs_memory_metric(service: Service) -> bool:
    """Whether a policy or rollout alarm uses memory, which EC2 does not measure by itself."""
    scaling = service.scaling
    metrics = {each.metric for each in scaling.target_tracking} | {each.metric for each in scaling.steps}
    return Metric.MEMORY in metrics | {each.metric for each in service.deployment.alarms}


_ALWAYS = "amazon-cloudwatch-agent logrotate"
_USER = """\
useradd --system --home-dir /opt/application --shell /sbin/nologin instance
install --directory --owner instance --group instance /opt/application
"""
_DOCKER = f"""\
dnf install --assumeyes --quiet docker {_ALWAYS}
echo net.ipv4.ip_unprivileged_port_start=80 > /etc/sysctl.d/90-instance.conf
sysctl --quiet --load=/etc/sysctl.d/90-instance.conf
systemctl enable --now docker.service
{_USER}"""
"""The container shares the machine's network, so that its role's credentials reach it without another hop."""


def _packages(service: Service) -> str:
    """The language of the service, for its build and its instance."""
    runtime = of(service)
    if runtime.language == "node":
        node = f"nodejs{runtime.version}"
        return f"""\
dnf install --assumeyes --quiet git {node} {node}-npm {_ALWAYS}
alternatives --set node /usr/bin/node-{runtime.version}
{_USER}"""
    python = f"python{runtime.version}"
    return f"""\
dnf install --assumeyes --quiet git {python} {python}-pip {_ALWAYS}
{python} -m venv /opt/uv
/opt/uv/bin/pip install --quiet uv=={UV}
ln --symbolic --force /opt/uv/bin/uv /usr/local/bin/uv
{_USER}"""


def _facts(*, region: str, zones: Mapping[str, str], group: str) -> str:
    return f"""\
#!/bin/bash
set -euo pipefail
umask 022
export AWS_DEFAULT_REGION={region}
GROUP={group}
TOKEN=$(curl -sSf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
metadata() {{ curl -sSf -H "X-aws-ec2-metadata-token: $TOKEN" "http://169.254.169.254/latest/meta-data/$1"; }}
INSTANCE=$(metadata instance-id)
RELEASE=$(metadata tags/instance/{RELEASE_TAG})
PLACE=$(metadata placement/availability-zone)
{zone_cases(zones, "$PLACE")}"""


def _reports(service: Service, stack: str) -> str:
    """To the group, which takes the machine in or replaces it, and to CloudFormation, where it waits for the group.

    Before a machine is given up, the agent has time to ship the log that says why.
    """
    return f"""\
join() {{
  aws autoscaling complete-lifecycle-action --lifecycle-action-result "$1" \\
    --lifecycle-hook-name {HOOK} --auto-scaling-group-name "$GROUP" --instance-id "$INSTANCE"
}}
signal() {{
  aws cloudformation signal-resource --stack-name {stack} \\
    --logical-resource-id {logical(service.name, "ScalingGroup")} --unique-id "$INSTANCE" --status "$1" || true
}}
finish() {{
  code=$?
  if [ "$code" != 0 ]; then
    sleep 30
    signal FAILURE
    join ABANDON
  fi
  exit "$code"
}}
trap finish EXIT
"""


def _environment_file(environment: Mapping[str, str]) -> str:
    lines = "".join(f"{name}={_systemd(value)}\n" for name, value in sorted(environment.items()))
    return f"""\
install --mode 0640 --group instance /dev/null /etc/instance.env
cat > /etc/instance.env <<'END_OF_ENVIRONMENT'
{lines}END_OF_ENVIRONMENT
printf 'FLYBALL_INSTANCE=%s\\nFLYBALL_RELEASE=%s\\nFLYBALL_ZONE=%s\\n' \\
  "$INSTANCE" "$RELEASE" "$FLYBALL_ZONE" >> /etc/instance.env
"""


def _systemd(value: str) -> str:
    """A value quoted for systemd's EnvironmentFile, so that blanks and `#` stay literal."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _secret(name: str, arn: str) -> str:
    return f"""\
SECRET=$(aws secretsmanager get-secret-value --secret-id {arn} --query SecretString --output text)
printf '{name}=%s\\n' "$SECRET" >> /etc/instance.env
"""


def _agent(service: Service, log_group: str) -> str:
    """The CloudWatch agent, which ships the instance's log and, if a policy needs it, the machine's memory use."""
    metrics = f"""
 "metrics": {{"namespace": "{MEMORY_NAMESPACE}", "aggregation_dimensions": [["AutoScalingGroupName"]],
  "append_dimensions": {{"AutoScalingGroupName": "${{aws:AutoScalingGroupName}}"}},
  "metrics_collected": {{"mem": {{"measurement": ["mem_used_percent"], "metrics_collection_interval": 60}}}}}},"""
    return f"""\
cat > /etc/agent.json <<'END_OF_AGENT'
{{"agent": {{"metrics_collection_interval": 60}},{metrics if needs_memory_metric(service) else ""}
 "logs": {{"logs_collected": {{"files": {{"collect_list": [
  {{"file_path": "/var/log/instance.log", "log_group_name": "{log_group}",
   "log_stream_name": "{{instance_id}}"}},
  {{"file_path": "/var/log/cloud-init-output.log", "log_group_name": "{log_group}",
   "log_stream_name": "{{instance_id}}-start"}}]}}}}}}}}
END_OF_AGENT
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:/etc/agent.json
"""


_LOG_ROTATION = """\
cat > /etc/logrotate.d/instance <<'END_OF_ROTATION'
/var/log/instance.log {
  daily
  rotate 3
  missingok
  copytruncate
}
END_OF_ROTATION
"""
"""CloudWatch keeps the log; the copy on the machine must not fill its disk."""


def _placeholder(service: Service) -> str:
    return f"""\
cat > /opt/placeholder.py <<'END_OF_PLACEHOLDER'
{placeholder(service)}END_OF_PLACEHOLDER
"""


_START_PLACEHOLDER = "printf '#!/bin/sh\\nexec python3 /opt/placeholder.py\\n' > /opt/start"


def _archive(service: Service, releases: str) -> str:
    """The release's source, built here."""
    runtime = of(service)
    version = f" UV_PYTHON=python{runtime.version}" if runtime.language == "python" else ""
    build = (
        f"""\
  runuser --user instance -- env HOME=/opt/application{version} \\
    sh -eu -c {shlex.quote(service.build)}
"""
        if service.build is not None
        else ""
    )
    return f"""\
cat > /opt/start <<'END_OF_START'
{start_script(service)}END_OF_START
cd /opt/application
if [ "$RELEASE" = {NOTHING} ]; then
  {_START_PLACEHOLDER}
else
  aws s3 cp --only-show-errors "s3://{releases}/{service.name}/$RELEASE.tar.gz" /tmp/release.tar.gz
  tar --extract --gzip --file /tmp/release.tar.gz --directory /opt/application --no-same-owner
  chown --recursive instance:instance /opt/application
{build}fi
chmod 0555 /opt/start
"""


def _pulled(service: Service, image: str, told: Iterable[str]) -> str:
    """The release's image, started as a container that sees the same variables as a process would."""
    variables = "".join(f" --env {name}" for name in sorted(told))
    options = f"--network host --init --stop-timeout {round(service.deployment.stop_timeout_s)}"
    return f"""\
if [ "$RELEASE" = {NOTHING} ]; then
  {_START_PLACEHOLDER}
else
  aws ecr get-login-password | docker login --username AWS --password-stdin {image.split("/", 1)[0]}
  docker pull --quiet "{image}:$RELEASE"
  printf '#!/bin/sh\nexec docker run --rm --name instance {options}{variables} %s\n' "{image}:$RELEASE" > /opt/start
fi
chmod 0555 /opt/start
"""


def _unit(service: Service, image: str | None) -> str:
    who = (
        "User=instance\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nNoNewPrivileges=true"
        if image is None
        else "ExecStartPre=-/usr/bin/docker rm --force instance\nKillMode=mixed"
    )
    return f"""\
cat > /etc/systemd/system/instance.service <<'END_OF_UNIT'
[Unit]
Description=an instance of {service.name}
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
{who}
WorkingDirectory=/opt/application
Environment=PATH=/opt/application/.venv/bin:/opt/application/node_modules/.bin:/usr/local/bin:/usr/bin:/bin
EnvironmentFile=/etc/instance.env
ExecStart=/opt/start
PrivateTmp=true
ProtectSystem=full
LimitNOFILE=65536
Restart=always
RestartSec=1
KillSignal=SIGTERM
TimeoutStopSec={round(service.deployment.stop_timeout_s)}
StandardOutput=append:/var/log/instance.log
StandardError=append:/var/log/instance.log

[Install]
WantedBy=multi-user.target
END_OF_UNIT
systemctl daemon-reload
systemctl enable --now instance.service
"""


def _ready(service: Service, port: str, target_group: str) -> str:
    """Joins the balancer once the health check passes; CloudFormation hears of it when the balancer agrees."""
    scheme, trust = ("https", " --insecure") if service.tls else ("http", "")
    url = shlex.quote(f"{scheme}://127.0.0.1:{port}{service.health.path}")
    wait = f"    aws elbv2 wait target-in-service --target-group-arn {target_group} --targets Id=$INSTANCE\n"
    wait = wait if service.routes else ""
    return f"""\
for _ in $(seq {READY_WITHIN_S // 5}); do
  if curl --silent --fail{trust} --max-time {round(service.health.timeout_s)} --output /dev/null {url}; then
    join CONTINUE
{wait}    signal SUCCESS
    exit 0
  fi
  sleep 5
done
exit 1
"""
