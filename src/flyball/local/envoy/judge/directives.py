"""What ModSecurity is told: how it reads a request, what the file says, and the files of the OWASP Core Rule Set.

The sizes, methods and types that an application takes are its own, or keys of the firewall; so the rules that would
refuse other methods and types are left out, and the one that finds a number for a host name: here it always is one.
https://github.com/owasp-modsecurity/ModSecurity/wiki/Reference-Manual-(v3.x)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flyball.core.errors import FileError
from flyball.core.model import CoreRules

DEBIAN = Path("/usr/share/modsecurity-crs/rules")
PARTIAL = "x-flyball-partial-body"
"""The header by which a rule knows that the body is only its beginning."""

UNREADABLE = 200002
"""The rule for a body that is not what it says to be."""
LEFT_OUT = (911100, 920420, 920350)
NOT_READ = ("REQUEST-903", "REQUEST-910", "REQUEST-912")
"""Exceptions for programs of others, places of addresses (they need a database of their own), and rates."""

_READING = rf"""
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecRequestBodyLimit {1 << 30}
SecRequestBodyNoFilesLimit {1 << 30}
SecRequestBodyLimitAction ProcessPartial
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecAuditEngine Off
SecDefaultAction "phase:1,log,pass"
SecDefaultAction "phase:2,log,pass"
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application(?:/soap\+|/)|text/)xml" \
    "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/(?:[a-z0-9.-]+\+)?json" \
    "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:{PARTIAL} "@streq 1" \
    "id:200003,phase:1,t:none,pass,nolog,ctl:ruleRemoveById={UNREADABLE}"
SecRule REQBODY_ERROR "!@eq 0" \
    "id:{UNREADABLE},phase:2,t:none,pass,log,severity:'CRITICAL',msg:'The body is not what it says to be',\
    setvar:'tx.anomaly_score_pl1=+5',setvar:'tx.inbound_anomaly_score_pl1=+5'"
"""


def directives(rules: CoreRules, files: Iterable[Path]) -> str:
    """Everything, in order: reading, the file's numbers, the rule set's own files, what is left out.

    The numbers have other names in version 3 of the rule set and in version 4; each knows its own.
    """
    settings = {
        "paranoia_level": rules.paranoia,
        "blocking_paranoia_level": rules.paranoia,
        "detection_paranoia_level": rules.paranoia,
        "inbound_anomaly_score_threshold": rules.threshold,
        "crs_setup_version": 330,
    }
    told = ",".join(f"setvar:tx.{name}={value}" for name, value in settings.items())
    return "\n".join(
        [
            _READING,
            f'SecAction "id:900000,phase:1,pass,nolog,t:none,{told}"',
            *(f"Include {file}" for file in files),
            *(f"SecRuleRemoveById {rule}" for rule in (*LEFT_OUT, *rules.skip_rules)),
            "",
        ]
    )


def rule_files(rules: CoreRules, home: Path) -> list[Path]:
    """The files that judge requests, in order. Raises FileError when there are none."""
    at = DEBIAN if rules.path is None else home / Path(rules.path).expanduser()
    places = (at / "rules", at)
    found = next((files for place in places if (files := sorted(place.glob("REQUEST-9*.conf")))), [])
    if not found:
        remedy = "install Debian's modsecurity-crs, or name their directory" if rules.path is None else "fix the path"
        raise FileError(f"listener.firewall.rules: the OWASP Core Rule Set is not in {at}: {remedy}")
    return [file for file in found if not file.name.startswith(NOT_READ)]
