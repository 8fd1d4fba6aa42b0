"""AWS's own rules in the web ACL: those of `managed`, and those that stand in for the OWASP Core Rule Set.

What they find in a body is blocked only where the file says which paths take files: an image, or a post that quotes
code, is no attack. Known attacks (Log4Shell and the like) are blocked in bodies, too.
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
"""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import aws_wafv2 as wafv2

from flyball.core.model import Firewall, FirewallAction
from flyball.core.model.firewall import CORE_RULES

from .statements import Rule, Statement, any_of, below, negated, visible

REPUTATION = "AWSManagedRulesAmazonIpReputationList"
KNOWN = "AWSManagedRulesKnownBadInputsRuleSet"
COMMON = "AWSManagedRulesCommonRuleSet"
SQL = "AWSManagedRulesSQLiRuleSet"
IN_BODIES = {
    COMMON: (
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "SizeRestrictions_BODY",
    ),
    SQL: ("SQLi_BODY", "SQLiExtendedPatterns_BODY"),
}
"""The rules of these groups that look into bodies for what may be an honest one's."""
LABELS = {COMMON: "core-rule-set", SQL: "sql-database"}


def managed_rules(wanted: Firewall, *, first: int) -> list[Rule]:
    """The rules from priority `first` on."""
    names = _groups(wanted)
    rules = [_group(wanted, name, first + at) for at, name in enumerate(names)]
    if names and wanted.uploads:
        rules.append(_bodies(wanted, wanted.uploads, names, first + len(names)))
    return rules


def _groups(wanted: Firewall) -> list[str]:
    core = wanted.core_rules is not None
    found = {REPUTATION: wanted.managed, KNOWN: wanted.managed or core, COMMON: wanted.managed or core, SQL: core}
    return [name for name, is_wanted in found.items() if is_wanted]


def _counts(wanted: Firewall) -> bool:
    return wanted.core_rules is not None and wanted.of_rule(CORE_RULES) is FirewallAction.COUNT


def _group(wanted: Firewall, name: str, priority: int) -> Rule:
    counted = IN_BODIES.get(name, ()) if wanted.uploads != () else ()
    count = wafv2.CfnWebACL.RuleActionProperty(count={})
    skipped = () if wanted.core_rules is None or name == REPUTATION else wanted.core_rules.skip_paths
    counting = name != REPUTATION and _counts(wanted)
    return Rule(
        name=name,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(**{"count" if counting else "none": {}}),
        statement=Statement(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                rule_action_overrides=[
                    wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count) for rule in counted
                ],
                scope_down_statement=negated(any_of(list(map(below, skipped)))) if skipped else None,
            )
        ),
        visibility_config=visible(name),
    )


def _bodies(wanted: Firewall, uploads: tuple[str, ...], groups: list[str], priority: int) -> Rule:
    """Blocks what the groups only counted, but for the paths that take files."""
    found, elsewhere = any_of(list(_labels(groups))), negated(any_of(list(map(below, uploads))))
    action = (
        wafv2.CfnWebACL.RuleActionProperty(count={})
        if _counts(wanted)
        else wafv2.CfnWebACL.RuleActionProperty(block=wafv2.CfnWebACL.BlockActionProperty())
    )
    return Rule(
        name="bodies",
        priority=priority,
        action=action,
        statement=Statement(
            and_statement=wafv2.CfnWebACL.AndStatementProperty(statements=[found, elsewhere]),
        ),
        visibility_config=visible("Bodies"),
    )


def _labels(groups: list[str]) -> Iterator[Statement]:
    """Each rule of a group labels what it finds, a rule that only counts does, too."""
    for group in groups:
        for rule in IN_BODIES.get(group, ()):
            key = f"awswaf:managed:aws:{LABELS[group]}:{rule.replace('_BODY', '_Body')}"
            label = wafv2.CfnWebACL.LabelMatchStatementProperty(scope="LABEL", key=key)
            yield Statement(label_match_statement=label)
