"""Remove secrets from output: log lines, error responses, stored bodies, error messages of checks.

Secrets are recognised by their names (`password`, `Authorization`, …) and by shape: bearer and JSON web tokens, keys of
well-known issuers, PEM private keys, card numbers, credentials in URLs. Knows no Django.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

MASK = "•••"
DEEPEST = 6  # levels of nested values; deeper ones are left out
MOST_ITEMS = 100  # of one list or mapping
LONGEST = 8_192  # characters of one text; the rest is cut off, so that no line grows without limit
LONGEST_NAME = 100

# The end of a name decides: `access_token` is a secret, `token_count` is not.
NAME_ENDS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "secretkey",
    "secretskey",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "sessionid",
    "sessionkey",
    "cardnumber",
)
NAMES = {"pwd", "pass", "auth", "jwt", "pin", "dsn", "sig", "signature", "cvv", "cvc", "secrets", "passwords", "tokens"}

PEM = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
JWT = r"\beyJ[\w-]{5,2000}\.[\w-]{5,}(?:\.[\w-]*)?"
HOOKS = r"hooks\.slack\.com/services/[\w/-]+|discord(?:app)?\.com/api/webhooks/[\w/-]+"
ISSUED = (
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|AIPA)[A-Z0-9]{16}",  # Amazon
    r"AIza[\w-]{35}|ya29\.[\w-]{20,}",  # Google
    r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}",  # Slack
    r"[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
    r"sk-[\w-]{20,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
    r"slm_[A-Za-z0-9]{20,}",  # our own API tokens
    r"npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}|do[opr]_v1_[0-9a-f]{64}|hv[sb]\.[\w-]{24,}",
    r"\d{8,10}:AA[\w-]{33}",  # Telegram
)
SHAPES = re.compile("|".join((PEM, JWT, HOOKS, *(rf"(?<![\w-])(?:{issued})" for issued in ISSUED))), re.DOTALL)
# Everything up to the last @ before the host, for passwords that should have been escaped and were not.
# A scheme is short; without a limit, a text with many dots would be read again from each of them.
URL_CREDENTIALS = re.compile(r"""(\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/?#"'<>]+@""")
# Words may follow "basic" as well ("basic authentication"): a token is long, or has digits or capitals inside.
SCHEMES = re.compile(r"(?:\b|(?<=%20))((?i:bearer|basic)(?:\s|%20)+)(?=\S{20}|\S*[0-9=]|\S*[a-z][A-Z])[\w.~+/=-]{8,}")
CARD = re.compile(r"(?<![\w.-])(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{13,19})(?![\w-])")
# A name and a sign, then a value, as in headers, query strings, and JSON within JSON. Quoted values may contain quotes,
# escaped with a backslash, and line breaks.
NAME = re.compile(r"""(?<![\w.-])([A-Za-z][\w.-]*)[\\"']*\s*[:=]\s*""")
VALUE = re.compile(r"""(\\*["'])(?s:.*?)(?:(?<!\\)\1|\Z)|(?:(?i:bearer|basic)\s+)?[^\s"',;&}\])]+""")


def mask(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return a JSON-like value without secrets, and limited in depth, items and length; `name` is its key.

    Values of types unknown to JSON become text.
    """
    match value:
        case None | bool() | float():
            return value
        case int():
            return MASK if is_secret_name(name) or _is_card(str(value)) else value
        case str():
            return MASK if value and is_secret_name(name) else mask_text(value)
        case Mapping() | list() | tuple() | set() | frozenset() if depth >= DEEPEST:
            return "…"
        case Mapping():
            return {
                mask_text(str(key)[:LONGEST_NAME]): mask(each, str(key), depth + 1)
                for key, each in islice(value.items(), MOST_ITEMS)
            }
        case list() | tuple() | set() | frozenset():
            return [mask(each, name, depth + 1) for each in islice(value, MOST_ITEMS)]
    return mask(str(value), name, depth)


def mask_text(text: str, *, named: bool = True) -> str:
    """Return a text without secrets; without `named` only shapes are recognised, not names."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + "…"
    text = SHAPES.sub(MASK, text)
    if "://" in text:
        text = URL_CREDENTIALS.sub(rf"\1{MASK}@", text)
    text = SCHEMES.sub(rf"\1{MASK}", text)
    if named and (":" in text or "=" in text):
        text = _without_named(text)
    return CARD.sub(lambda found: MASK if _is_card(found[0]) else found[0], text)


@lru_cache(maxsize=2048)
def is_secret_name(name: str) -> bool:
    """Return whether a field, header or variable of this name holds a secret."""
    bare = name[-LONGEST_NAME:].lower().replace("_", "").replace("-", "").replace(" ", "")
    return bare.endswith(NAME_ENDS) or bare.rpartition(".")[2] in NAMES


def _without_named(text: str) -> str:
    """Mask each value that follows the name of a secret."""
    pieces, done = [], 0
    for name in NAME.finditer(text):
        value = VALUE.match(text, name.end()) if name.start() >= done and is_secret_name(name[1]) else None
        if value is not None:
            quote = value[1] or ""
            pieces += [text[done : name.end()], quote, MASK, quote]
            done = value.end()
    return "".join([*pieces, text[done:]])


def _is_card(text: str) -> bool:
    """Return whether digits are a card number: with the prefix of an issuer, and with Luhn's check digit."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    if not 13 <= len(digits) <= 19 or not 2 <= digits[0] <= 6:
        return False
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
