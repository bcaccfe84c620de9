"""Contents that are secret whatever the file's name: private keys, and tokens in the form of their issuer.

Only shapes that hardly anything else has count. If a shape alone proves too little, a word must be near it (`twilio`,
`token`), or its characters must be as mixed as a key's. Examples from documentation do not count. docs/withheld.md has
the list for users.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

LARGEST_TEXT_BYTES = 1_000_000  # larger files are data, and are not searched
BINARY_IN_BYTES = 8000  # where Git also looks for a NUL
BODY_BYTES = 1200  # after the first line of a private key, within which its text must start
NEAR_BYTES = 200  # around a token whose shape alone proves too little
MIXED_BITS = 3.0  # of entropy per character: hexadecimal keys have 3.5 and more, words and placeholders less
KEY_BITS = 4.2  # the same for a line of base64, which has 5 and more

SAMPLE = re.compile(
    rb"""
      example | sample | dummy | fake | placeholder | redacted | changeme | (?:insert|replace)[_-]? | y(?:our)[_-]
    | x{4} | \*{3} | \.{3} | 0{6} | 1{6} | a{6} | f{8} | 12345678 | 01234567 | 98765432 | abcdefgh | deadbeef | qwerty
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Well-known keys: of Azure's storage emulator, and the sample tokens of jwt.io and similar sites.
PUBLIC = (
    b"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
    b"eyJzdWIiOiIxMjM0NTY3ODkwIi",
    b"eyJzb21lIjoicGF5bG9hZCJ9",
)
TELLTALE = re.compile(rb"token|jwt|bearer|authori[sz]ation|secret|service_role|api_?key|password", re.IGNORECASE)
KEY_LINE = re.compile(rb"[A-Za-z0-9+/]{40,}")
AWS_SECRET = re.compile(
    rb"(?<![A-Za-z0-9+/_-])(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9+/=_-])"
)
CONFIGURES = re.compile(
    r".*\.(?:ya?ml|toml|ini|cfg|conf(?:ig)?|properties|json|xml|env|service|sh|bash|zsh|fish|ps1|bat|cmd|txt)"
    r"|[^.]*|\..*rc|\.[^.]*",
    re.IGNORECASE | re.DOTALL,
)
NO_HOST = re.compile(
    rb"localhost|[^.]*|127\..*|0\.0\.0\.0|.*\.(?:local|test|example|invalid|internal)|(?:.*\.)?example\..*"
)
COMMON_PASSWORD = re.compile(
    rb"(?:my|the|some|a|db|user|root|admin|guest|postgres|mysql|rabbitmq|redis|mongo|test|pass(?:word|wd)?|pwd|secret"
    rb"|token|foo|bar|baz|[\W_\d])*",
    re.IGNORECASE,
)

WORD = re.compile(rb"[A-Za-z0-9_]")

LONG = b"x" * 24
IN_WORDS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
MARKS = bytes(ord("x") if letter in IN_WORDS else ord(" ") for letter in range(256))

Found = re.Match[bytes]

Holds = Callable[[Found, bytes], bool]


def _always(match: Found, text: bytes) -> bool:
    return True


@dataclass(frozen=True)
class Rule:
    """One kind of secret. `words`: every text with it has one of them; `holds`: a further check of a match."""

    kind: str
    words: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    holds: Holds = _always


def secrets_in(text: bytes, name: str) -> Mapping[bytes, str]:
    """Return the secrets in a file's content, each with its kind. `name`: the file's name without its folder."""
    if len(text) > LARGEST_TEXT_BYTES or b"\0" in text[:BINARY_IN_BYTES]:
        return {}
    found: dict[bytes, str] = {}
    doubtful = _around_long_words(text)
    for rule in RULES if doubtful else ():
        if any(word in doubtful for word in rule.words):
            for secret in _matches(rule, text):
                found.setdefault(secret, rule.kind)
    if b"://" in text and b"@" in text and configures(name):
        found |= {match[0]: PASSWORD_IN_URL for match in URL.finditer(text) if _has_password(match)}
    return found


@lru_cache(maxsize=65536)
def configures(name: str) -> bool:
    """Return whether a file with this name may configure a program."""
    return CONFIGURES.fullmatch(name) is not None


def _around_long_words(text: bytes) -> bytes:
    """Return the parts of a text around long words, which every secret here has: characters without a space.

    Most of a source file has none, and the search takes a nanosecond per byte.
    """
    marked = text.translate(MARKS)
    parts, end = list[bytes](), 0
    at = marked.find(LONG)
    while at >= 0:
        after = marked.find(b" ", at)
        after = after if after >= 0 else len(text)
        parts.append(text[max(end, at - NEAR_BYTES) : after + NEAR_BYTES])
        end = after + NEAR_BYTES
        at = marked.find(LONG, after)
    return b"".join(parts)


def _matches(rule: Rule, text: bytes) -> Iterator[bytes]:
    for match in rule.pattern.finditer(text):
        secret = match[match.lastindex or 0]
        # Not by a lookbehind: with one, a pattern no longer starts with letters that can be searched for quickly.
        if WORD.fullmatch(text, match.start() - 1, match.start()):
            continue
        if not is_sample(secret) and rule.holds(match, text):
            yield secret


def is_sample(secret: bytes) -> bool:
    """Return whether a text in the shape of a secret is a sample from documentation or a placeholder."""
    return SAMPLE.search(secret) is not None or any(key in secret for key in PUBLIC) or _entropy(secret) < MIXED_BITS


def _entropy(text: bytes) -> float:
    """Return the entropy of a text, in bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def _near(match: Found, text: bytes) -> bytes:
    return text[max(0, match.start() - NEAR_BYTES) : match.end() + NEAR_BYTES]


def _has_key(match: Found, text: bytes) -> bool:
    """Return whether a key's text follows its first line: programs that read keys contain that line alone."""
    body = text[match.end() : match.end() + BODY_BYTES].split(b"-----")[0].replace(b"\\n", b"\n").replace(b"\\r", b"")
    return any(_entropy(line[0]) > KEY_BITS for line in KEY_LINE.finditer(body))


def _has_aws_secret(match: Found, text: bytes) -> bool:
    return any(not is_sample(secret[0]) for secret in AWS_SECRET.finditer(_near(match, text)))


def _with(*words: bytes) -> Callable[[Found, bytes], bool]:
    wanted = re.compile(b"|".join(words), re.IGNORECASE)
    return lambda match, text: wanted.search(_near(match, text)) is not None


def _is_told_of(match: Found, text: bytes) -> bool:
    return TELLTALE.search(text[max(0, match.start() - NEAR_BYTES) : match.start()]) is not None


def _has_password(match: Found) -> bool:
    password, host = match[1], match[2]
    if NO_HOST.fullmatch(host) or COMMON_PASSWORD.fullmatch(password) or SAMPLE.search(match[0]):
        return False
    return len(set(password)) > 3


def _shape(kind: str, words: str, pattern: str, holds: Holds = _always) -> Rule:
    ends = re.compile(rf"(?:{pattern})(?![A-Za-z0-9_])".encode())
    return Rule(kind, tuple(word.encode() for word in words.split()), ends, holds)


PRIVATE_KEY, PASSWORD_IN_URL = "a private key", "a URL with a password"
URL = re.compile(rb"://[^\s:/@\"'<>${}%]{0,64}:([^\s:/@\"'<>${}%*]{4,64})@([\w.-]{1,100})")
RULES = [
    Rule(
        PRIVATE_KEY,
        (b"PRIVATE KEY",),
        re.compile(rb"-----? ?BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)? ?-?----"),
        _has_key,
    ),
    Rule(
        PRIVATE_KEY, (b"Private-Lines",), re.compile(rb"PuTTY-User-Key-File-\d:[^\0]*?\nPrivate-Lines: \d+"), _has_key
    ),
    Rule(PRIVATE_KEY, (b"BEGIN OpenVPN Static",), re.compile(rb"-----BEGIN OpenVPN Static key V1-----\s+[0-9a-f]{32}")),
    Rule(PRIVATE_KEY, (b"client-key-data",), re.compile(rb"client-key-data:\s*[\"']?([A-Za-z0-9+/=]{100,})")),
    _shape(PRIVATE_KEY, "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _shape("an AWS key", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", _has_aws_secret),
    Rule(
        "an AWS key",
        (b"secret_access_key", b"SECRET_ACCESS_KEY", b"SecretAccessKey", b"secretAccessKey"),
        re.compile(
            rb"(?i)secret_?access_?key[\"']?\s{0,5}(?:=>|[=:,])\s{0,5}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
    ),
    _shape("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _shape("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _shape("a GitLab token", "glpat- glptt- gldt- glrt- glcbt- glsoat-", r"gl(?:pat|ptt|dt|rt|cbt|soat)-[\w.-]{20,}"),
    _shape("a Slack token", "xox", r"xox(?:[abprs]|e\.xox[bp])-(?:\d-)?\d{6,}-[\w-]{10,}"),
    _shape("a Slack token", "xapp-", r"xapp-\d-[A-Z0-9]{8,}-\d{8,}-[a-z0-9]{32,}"),
    _shape("a Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[AT]\w{7,}/\w{8,}/\w{16,}"),
    _shape("a Stripe key", "_live_", r"[sr]k_live_[A-Za-z0-9]{20,}"),
    _shape("a Stripe key", "whsec_", r"whsec_[A-Za-z0-9+/]{32,}"),
    _shape("a Google API key", "AIza", r"AIza[\w-]{35}"),
    _shape("a Google secret", "GOCSPX-", r"GOCSPX-[\w-]{28}"),
    _shape("a Google token", "1//0", r"1//0[\w-]{60,}"),
    _shape(
        "an OpenAI key", "sk-", r"sk-(?:(?:proj|svcacct|admin|None)-[\w-]{40,}|[A-Za-z0-9]{48}|\w{20}T3BlbkFJ\w{20})"
    ),
    _shape("an Anthropic key", "sk-ant-", r"sk-ant-[a-z]+\d\d-[\w-]{40,}"),
    _shape("an OpenRouter key", "sk-or-", r"sk-or-v\d-[0-9a-f]{48,}"),
    _shape("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("a PyPI token", "pypi-AgE", r"pypi-AgE[\w-]{50,}"),
    _shape("a RubyGems key", "rubygems_", r"rubygems_[0-9a-f]{48}"),
    _shape("a Docker token", "dckr_", r"dckr_[op]at_[\w-]{27,}"),
    _shape("a NuGet key", "oy2", r"oy2[a-z0-9]{43}"),
    _shape("a Twilio key", "twilio Twilio TWILIO", r"(?:SK|AC)[0-9a-f]{32}", _with(rb"twilio")),
    _shape("a SendGrid key", "SG.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    _shape("a Mailgun key", "mailgun Mailgun MAILGUN", r"key-[0-9a-f]{32}"),
    _shape("a Mailchimp key", "mailchimp Mailchimp MAILCHIMP", r"[0-9a-f]{32}-us\d{1,2}"),
    Rule("an Azure key", (b"AccountKey=",), re.compile(rb"AccountKey=([A-Za-z0-9+/]{86}==)")),
    Rule("an Azure key", (b"SharedAccessKey=",), re.compile(rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)")),
    Rule("a registry's token", (b":_authToken",), re.compile(rb"//[\w.:/-]+/:_authToken\s*=\s*[\"']?([\w.+/=-]{24,})")),
    Rule("a registry's password", (b"auths",), re.compile(rb"\"auth\"\s*:\s*\"([A-Za-z0-9+/]{24,}={0,2})\"")),
    _shape("a JSON Web Token", "eyJ", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}", _is_told_of),
    _shape("a Discord token", "discord Discord DISCORD", r"[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,40}"),
    _shape("a Discord webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{60,}"),
    _shape("a Telegram token", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    _shape("a DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    _shape("a Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _shape("a Databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    _shape("a Vault token", "hvs. hvb.", r"hv[sb]\.[\w-]{24,}"),
    _shape("a Terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}"),
    _shape("a Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{34,40}"),
    _shape("a Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    _shape("a Notion token", "ntn_", r"ntn_[A-Za-z0-9]{40,}"),
    _shape("a Figma token", "figd_", r"figd_[\w-]{40,}"),
    _shape("a Postman key", "PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _shape("a New Relic key", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
    _shape("a Grafana token", "glsa_ glc_", r"(?:glsa_\w{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{50,}={0,2})"),
    _shape("a Sentry token", "sntrys_ sntryu_", r"sntry(?:s_[\w+/=]{60,}|u_[0-9a-f]{64})"),
    _shape("a Doppler token", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]+\.)?[A-Za-z0-9]{40,44}"),
    _shape("a Square token", "sq0", r"sq0(?:csp|atp)-[\w-]{22,43}"),
    _shape("an Atlassian token", "ATATT3 ATBB", r"(?:ATATT3[\w=-]{100,}|ATBB[A-Za-z0-9]{32})"),
    _shape("a Heroku key", "HRKU-", r"HRKU-[\w-]{36,}"),
    _shape("a Supabase token", "sbp_", r"sbp_[0-9a-f]{40}"),
    _shape("a PlanetScale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[\w.-]{32,}"),
    _shape("a Groq key", "gsk_", r"gsk_[A-Za-z0-9]{52}"),
    _shape("an xAI key", "xai-", r"xai-[A-Za-z0-9]{70,}"),
    _shape("a Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}"),
    _shape("a Pulumi token", "pul-", r"pul-[0-9a-f]{40}"),
    _shape("a Fly.io token", "FlyV1", r"FlyV1 fm\d[a-z]?_[\w+/=,-]{40,}"),
    _shape("a Mapbox token", "sk.eyJ", r"sk\.eyJ[\w-]{50,}\.[\w-]{20,}"),
]
