"""Which names of keys say that their value is a secret.

Names are read word by word: `dbPassword`, `DB_PASSWORD` and `db-password` are alike, and `tokenizer` is none.
"""

from __future__ import annotations

import functools
import re

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SURE = _set("""
    password passwords passwd passwort kennwort kennworte contraseña contrasena senha motdepasse pwd passphrase passphrases passcode
    secret secrets apikey apikeys apitoken privatekey secretkey accesskey authtoken accesstoken jwt bearer otp totp cvv cvc csc psk
    pin pass credential credentials creds mnemonic authorization cookie csrf xsrf sessid sessionid jsessionid phpsessid
    dockerconfigjson dockercfg пароль 密码 パスワード 비밀번호
""")
"""As the last word of a name."""
LONG = (
    "password", "passwd", "passphrase", "apikey", "secretkey", "privatekey", "accesskey", "accesstoken", "authtoken", "refreshtoken",
    "sessionid", "sessid", "clientsecret", "passwort", "kennwort", "encryptionkey", "signingkey",
)  # fmt: skip
"""As the end of a name that is written as one word."""
KEYS = _set("""
    api access secret private signing encryption decryption encrypt crypto cipher master account ssh hmac license licence storage
    shared deploy deployment service webhook root aes rsa ecdsa ed25519 gpg pgp tls ssl jwt auth authentication fernet vault wallet
    symmetric preshared session app application consumer client subscription token bot admin host function functions security user
    project server integration personal developer dev prod live test sandbox
""")
"""Before `key`."""
KEYS_UNSURE = _set("""
    session app application service user project server client host test dev prod live function functions integration admin
    developer personal token account security deployment sandbox subscription root
""")
"""Of these, those where the value itself must look random unless the name has another telling word."""
CODES = _set("""
    security recovery backup mfa 2fa 2 factor verification sms otp login auth authentication authorization reset access unlock door
    gate pin totp time scratch
""")
"""Before `code`."""
OTHER_PAIRS = frozenset(
    {
        ("session", "id"), ("secret", "id"), ("seed", "phrase"), ("recovery", "phrase"), ("secret", "phrase"), ("pass", "phrase"),
        ("security", "answer"), ("secret", "answer"), ("seed", "words"), ("recovery", "key"), ("access", "signature"), ("pass", "word"),
        ("pass", "code"), ("wallet", "seed"), ("secret", "string"), ("private", "pem"), ("card", "verification"), ("session", "token"),
        ("de", "passe"), ("api", "auth"), ("basic", "auth"), ("registry", "auth"),
    }
)  # fmt: skip
NO_TOKENS = _set("""
    next page continuation cursor sync previous special eos bos pad stop start end unk mask sep cls first last per max min num total
    count prompt completion input output reasoning cached new used
""")
"""Before `token`: a place in a list, or a piece of a text."""
NO_KEYS = _set("""
    primary foreign sort partition public pub cache translation idempotency natural surrogate composite unique group row hot arrow
    map dict object hash range message event routing index lookup join sorting metric feature i18n dedup deduplication order
    shortcut
""")
NO_PASSES = _set("boarding mountain by ski season day guest hall bus first second low high band")
PASSES = _set("""
    user db database smtp ftp sftp admin root mysql pg postgres redis mail email imap http proxy basic auth login key store
""")
NO_PINS = _set("gpio safety hair roll push map bowling location drop")
NO_START = _set("""
    has is are needs need requires require required use uses show hide no max min num number count total n enable disable allow
""")
AT_THE_END = _set("""
    value values string str text plain plaintext raw base64 b64 pem hash hashed hex encrypted enc env confirmation confirm confirmed
    again repeat repeated old new current default param header var secret 1 2 3
""")
"""Last words that do not change what a name says: `password_confirmation`."""
MAYBE = _set("""
    key auth sig signature salt seed dsn license licence sid session hash code codes token tokens cookies credential nonce keys pat
""")
"""Last words of names whose value is secret where it looks random."""


@functools.lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Whether the value under this name is a secret, whatever it looks like."""
    words = _words(name)
    if not words or words[0] in NO_START:
        return False
    while len(words) > 1 and words[-1] in AT_THE_END and words[-1] not in SURE:
        words.pop()
    *before, last = words
    previous = before[-1] if before else ""
    if last == "pass":
        return previous in PASSES or not before
    if last == "pin":
        return previous not in NO_PINS
    if last == "token":
        return previous not in NO_TOKENS
    if last == "tokens":
        return previous in ("access", "refresh", "auth", "bearer", "api", "session", "oauth", "csrf")
    if last in ("key", "keys"):
        return previous in KEYS - KEYS_UNSURE or (previous in KEYS_UNSURE and _is_clear(before))
    if last in ("code", "codes"):
        return previous in CODES
    return last in SURE or (previous, last) in OTHER_PAIRS or "".join(words[-2:]).endswith(LONG)


@functools.lru_cache(4096)
def may_be_secret_name(name: str) -> bool:
    """Whether a value under this name is a secret where it looks random."""
    words = _words(name)
    if not words or words[0] in NO_START:
        return False
    previous = words[-2] if len(words) > 1 else ""
    return words[-1] in MAYBE and previous not in NO_KEYS | NO_TOKENS and words[-1:] != ["hash"]


def _is_clear(before: list[str]) -> bool:
    """`account_key` and `service_account_key` name a secret; `user_key` need not."""
    return before[-1] in ("account", "admin", "root", "subscription", "security", "deployment", "developer", "app", "application", "client")


def _words(name: str) -> list[str]:
    if len(name) > 120:
        return []
    return [word.lower() for word in WORDS.findall(name)]
