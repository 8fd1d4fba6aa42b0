"""What the rules of a web ACL are made of: statements that match a request."""

from __future__ import annotations

import re
from typing import TypeAlias

from aws_cdk import aws_wafv2 as wafv2

Rule: TypeAlias = wafv2.CfnWebACL.RuleProperty
Statement: TypeAlias = wafv2.CfnWebACL.StatementProperty
Field: TypeAlias = wafv2.CfnWebACL.FieldToMatchProperty


def _transformation(kind: str) -> list[wafv2.CfnWebACL.TextTransformationProperty]:
    return [wafv2.CfnWebACL.TextTransformationProperty(priority=0, type=kind)]


AS_IT_IS, LOWER_CASE, NORMAL_PATH = map(_transformation, ("NONE", "LOWERCASE", "NORMALIZE_PATH"))


def header(name: str) -> Field:
    """One header."""
    return Field(single_header={"Name": name})


def fits(
    regex: str, field: Field, transformations: list[wafv2.CfnWebACL.TextTransformationProperty] = AS_IT_IS
) -> Statement:
    """A field that a regular expression fits."""
    return Statement(
        regex_match_statement=wafv2.CfnWebACL.RegexMatchStatementProperty(
            regex_string=regex, field_to_match=field, text_transformations=transformations
        )
    )


def below(path: str) -> Statement:
    """A path and everything below it, by what `/../` and `//` in an address mean."""
    return fits(f"^{re.escape(path.rstrip('/'))}(/.*)?$", Field(uri_path={}), NORMAL_PATH)


def larger(field: Field, size: int) -> Statement:
    """A field of more bytes than `size`."""
    return Statement(
        size_constraint_statement=wafv2.CfnWebACL.SizeConstraintStatementProperty(
            comparison_operator="GT", size=size, field_to_match=field, text_transformations=AS_IT_IS
        )
    )


def negated(statement: Statement) -> Statement:
    """What a statement does not match."""
    return Statement(not_statement=wafv2.CfnWebACL.NotStatementProperty(statement=statement))


def any_of(statements: list[Statement]) -> Statement:
    """One of them; WAF wants at least two in an `or`."""
    if len(statements) == 1:
        return statements[0]
    return Statement(or_statement=wafv2.CfnWebACL.OrStatementProperty(statements=statements))


def visible(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    """Counted under this name."""
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
