"""What does an attack look like? Patterns that no honest request fits, the same for every world's firewall."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Something that no honest request has: a regular expression (RE2, ignoring case) for a part of it.

    It is looked for in the path with its query, as sent, and in the headers of `IN_HEADERS` where `headers` says so.
    """

    name: str
    regex: str
    headers: bool = False


_SPACE = r"(\s|\+|%20|%09|/\*.*?\*/)"
BAD_INPUT = (
    Pattern(
        name="files",
        regex=r"(/|%2f)etc(/|%2f)(passwd|shadow|group)|(/|%2f)proc(/|%2f)self(/|%2f)|(/|\\|%2f|%5c)win\.ini"
        r"|(/|%2f)\.(git|svn|env|htpasswd|htaccess|aws|ssh)(/|%2f|\?|$)",
    ),
    Pattern(
        name="script", regex=r"(<|%3c)(\s|%20|\+|/)*script|javascript(:|%3a)|(<|%3c)[^>]*(\s|%20|\+|/)on\w+(=|%3d)"
    ),
    Pattern(
        name="sql",
        regex=rf"union{_SPACE}+(all{_SPACE}+)?select{_SPACE}"
        rf"|('|%27|\"|%22){_SPACE}*(or|and){_SPACE}+('|%27|\"|%22)?\w+('|%27|\"|%22)?{_SPACE}*(=|%3d|like)"
        rf"|(;|%3b){_SPACE}*(drop|delete|insert|update|alter){_SPACE}",
    ),
    Pattern(name="lookup", regex=r"(\$|%24)(\{|%7b)(\s|%20)*(jndi|env|sys|lower|upper|ctx|:)", headers=True),
    Pattern(
        name="shell",
        regex=rf"(;|%3b|\||%7c|`|%60|(\$|%24)(\(|%28)){_SPACE}*(cat|wget|curl|nc|bash|sh|powershell|whoami|id){_SPACE}*"
        r"(\s|/|%2f|%20|\+|;|%3b|\)|%29|`|%60|$)",
    ),
    Pattern(name="null byte", regex=r"%00"),
)
IN_HEADERS = ("user-agent", "referer", "cookie", "x-api-version", "accept-language", "origin")
"""Where programs look things up that they should only log."""
