"""Finds credentials in a text: by the formats their issuers document, by where they stand, and by the names of the keys before them.

To add an issuer, enter a line in `ISSUERS`. A guess by how random a value looks counts only where a key name, or a word inside the value
itself, says that it is a credential: identifiers and hashes look as random.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hitl_tui.export.secret_names import NO_START, is_secret_name, may_be_secret_name

START = r"(?<![A-Za-z0-9])"
"""Before a prefix: text in base64 holds every prefix sooner or later."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a credential stands in a text, and the name of what it is."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class _Issued:
    """A format of one issuer."""

    anchors: tuple[str, ...]
    """One of them occurs in every text that the pattern matches. To look for them costs little."""
    pattern: re.Pattern[str]
    name: str


def _prefixed(prefixes: str, body: str, name: str = "token") -> _Issued:
    """A credential that begins with one of these prefixes, which are separated by blanks."""
    anchors = tuple(prefixes.split())
    return _Issued(anchors, re.compile(f"{START}(?:{'|'.join(map(re.escape, anchors))}){body}"), name)


def _of(anchor: str, pattern: str, name: str = "token") -> _Issued:
    """A credential with a part by which it is known, and with its secret in the group `secret` where that is not all of it."""
    return _Issued(tuple(anchor.split()), re.compile(pattern), name)


WORD, B64 = r"[A-Za-z0-9_-]", r"[A-Za-z0-9+/]"
HEX = r"[0-9a-f]"
PEM = r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
ISSUERS = (
    # Clouds and databases. Lengths are the shortest that an issuer documents: later versions are longer.
    _prefixed("AKIA ASIA ABIA ACCA", r"[A-Z0-9]{16}(?![A-Za-z0-9])", "access key"),
    _prefixed("ABSK", rf"{B64}{{40,}}={{0,2}}", "access key"),  # Amazon Bedrock
    _prefixed("IQoJb3JpZ2lu FwoGZXIvYXdz", rf"{B64}{{80,}}={{0,2}}"),  # AWS session tokens
    _prefixed("AIza", rf"{WORD}{{30,}}"),
    _prefixed("ya29.", r"[A-Za-z0-9._-]{20,}"),
    _prefixed("GOCSPX-", rf"{WORD}{{20,}}"),
    _prefixed("1//0", rf"{WORD}{{30,}}"),  # Google refresh tokens
    _prefixed("GOOG1E GOOG4", r"[A-Z0-9]{20,}", "access key"),
    _of("Q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),  # Entra client secrets
    _of("AZDO", r"(?<![A-Za-z0-9])[A-Za-z0-9]{70,80}AZDO[A-Za-z0-9]{4}"),
    _of("AzFu AzSe AzCa", rf"(?<![A-Za-z0-9])[A-Za-z0-9+/_-]{{40,52}}Az(?:Fu|Se|Ca){WORD}{{2,8}}={{0,2}}"),
    _of("+ACR +ASt +AIo +AEh +ASb +AMC +APIM +ABa ACDb",
        rf"(?<![A-Za-z0-9]){B64}{{30,80}}(?:\+A(?:CR|St|Io|Eh|Sb|MC|PIM|Ba)|ACDb){B64}{{5,10}}={{0,2}}"),
    _prefixed("dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{40,}"),
    _prefixed("LTAI", r"[A-Za-z0-9]{12,30}", "access key"),
    _prefixed("AKID", r"[A-Za-z0-9]{28,40}", "access key"),  # Tencent
    _prefixed("AQVN", rf"{WORD}{{30,}}"),
    _prefixed("t1. y0_ y1_ y2_ y3_", r"[A-Za-z0-9_.=-]{50,}"),  # Yandex
    _prefixed("YCAJE YCM YCN YCO YCP", rf"{WORD}{{20,}}"),
    _prefixed("HRKU-", rf"{WORD}{{30,}}"),
    _prefixed("v1.0-", r"[0-9a-f]{20,}-[0-9a-f]{100,}"),  # Cloudflare origin keys
    _prefixed("cfut_ cfat_ cfk_ cfoc_", rf"{WORD}{{30,}}"),
    _prefixed("fm1a_ fm1r_ fm2_ fo1_", r"[A-Za-z0-9+/_=-]{30,}"),
    _prefixed("nfp_ nfo_ nfc_ nfu_ nfb_", r"[A-Za-z0-9]{30,}"),
    _prefixed("vcp_ vci_ vca_ vcr_ vck_ vercel_blob_rw_", rf"{WORD}{{20,}}"),
    _prefixed("rnd_", r"[A-Za-z0-9]{24,}"),
    _prefixed("sbp_ sb_secret_ sbs_", rf"{WORD}{{20,}}"),
    _prefixed("pscale_tkn_ pscale_pw_ pscale_oauth_", r"[A-Za-z0-9_.=-]{30,}"),
    _prefixed("napi_", r"[a-z0-9]{40,}"),
    _prefixed("AVNS_", rf"{WORD}{{16,}}", "password"),
    _prefixed("CCDB1_", rf"{WORD}{{40,}}"),
    _prefixed("mdb_sa_sk_", rf"{WORD}{{30,}}"),
    _prefixed("cflt", r"[A-Za-z0-9+/]{50,}"),
    _prefixed("dapi dose dkea dsapi", r"[0-9a-f]{32}(?:-\d)?(?![A-Za-z0-9])"),
    _of(".atlasv1.", rf"(?<![A-Za-z0-9])[A-Za-z0-9]{{10,20}}\.atlasv1\.{WORD}{{50,}}"),
    _prefixed("hvs. hvb. hvr.", rf"{WORD}{{24,}}"),
    _of("s.",
        r"(?<![A-Za-z0-9./])s\.(?=[A-Za-z]*\d)(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z])[A-Za-z0-9]{24}(?![A-Za-z0-9.])"),  # old Vault
    _prefixed("dp.pt. dp.st. dp.ct. dp.sa. dp.said. dp.scim. dp.audit.", r"[A-Za-z0-9._-]{30,}"),
    _prefixed("st.", r"[0-9a-f]{20,}\.[0-9a-f]{20,}\.[0-9a-f]{20,}"),  # Infisical
    _prefixed("pul-", r"[0-9a-f]{40}"),
    _prefixed("ico-", r"[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    _prefixed("pnu_ pnb_", r"[A-Za-z0-9]{30,}"),
    _prefixed("tskey-", rf"(?:[a-z]+-)?{WORD}{{16,}}"),
    _prefixed("ops_eyJ", r"[A-Za-z0-9+/_=-]{80,}"),
    _of("A3-", r"(?<![A-Za-z0-9])A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}", "private key"),
    _of("age-secret-key-1 AGE-SECRET-KEY-1", r"(?i:AGE-SECRET-KEY-1)[A-Za-z0-9]{50,}", "private key"),
    _prefixed("tk_live_ ntfy_ tk_", r"[a-z0-9]{29,}"),
    _prefixed("scw-secret- SCWSECRET", rf"{WORD}{{20,}}"),
    # Code hosts, registries and builds
    _prefixed("ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9_.-]{16,}"),
    _prefixed("github_pat_", r"[A-Za-z0-9_]{30,}"),
    _prefixed("glpat- gldt- glrt- glrtr- glcbt- glptt- glsoat- glft- glimt- glagent- gloas- glffct- glwt-", r"[A-Za-z0-9_.=-]{16,}"),
    _prefixed("GR1348941", rf"{WORD}{{16,}}"),
    _prefixed("ATBB ATCTT3 ATATT3 ATOA", r"[A-Za-z0-9_=-]{24,}"),
    _prefixed("npm_", r"[A-Za-z0-9]{30,}"),
    _prefixed("pypi-AgE", rf"{WORD}{{40,}}"),
    _prefixed("rubygems_", r"[0-9a-f]{40,}"),
    _prefixed("cio", r"(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    _prefixed("oy2", r"[a-z0-9]{43}(?![A-Za-z0-9])"),
    _prefixed("dckr_pat_ dckr_oat_", rf"{WORD}{{20,}}"),
    _prefixed("CLOJARS_", r"[a-z0-9]{40,}"),
    _prefixed("packagist_", rf"[a-z]{{3,4}}_{WORD}{{20,}}"),
    _prefixed("AKCp", r"[A-Za-z0-9]{60,}"),
    _prefixed("cmVmdGtu", rf"{WORD}{{50,}}"),  # Artifactory reference tokens
    _prefixed("CCIPAT_ CCIPRJ_", rf"{WORD}{{40,}}"),
    _prefixed("bkua_ bkaj_ bkct_ bkpi_", rf"{WORD}{{30,}}"),
    _prefixed("squ_ sqp_ sqa_ sqb_", r"[0-9a-f]{40}"),
    _prefixed("sgp_", rf"{WORD}{{40,}}"),
    _prefixed("snyk_uat. snyk_sat.", r"[A-Za-z0-9_.-]{20,}"),
    _prefixed("cu_ dtn_ trigger_", r"(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{32,}"),
    # Chat and mail
    _prefixed("xoxb- xoxa- xoxp- xoxr- xoxs- xoxc- xoxd- xoxo- xoxe- xoxe.xox xapp- xwfp-", r"[A-Za-z0-9.%/+=-]{10,}"),
    _of("hooks.slack", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{20,})"),
    _of("/api/webhooks/", rf"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?P<secret>\d{{10,}}/{WORD}{{30,}})"),
    _of("discord", r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{10,}/(?P<secret>[A-Za-z0-9_-]{30,})"),
    _of(".", rf"(?<![A-Za-z0-9_.-])[MNO][A-Za-z0-9_-]{{23,27}}\.{WORD}{{6}}\.{WORD}{{27,}}"),  # Discord bots
    _of(":AA", rf"(?<!\d)\d{{8,10}}:AA{WORD}{{32,}}"),  # Telegram bots
    _of("webhook.office.com", r"webhook\.office\.com/webhookb2/[^\s\"'/]+/IncomingWebhook/(?P<secret>[^\s\"'<>]+)"),
    _of("hooks.zapier.com", r"hooks\.zapier\.com/hooks/catch/(?P<secret>[A-Za-z0-9/]{8,})"),
    _prefixed("SK", r"[0-9a-f]{32}(?![A-Za-z0-9])"),  # Twilio
    _prefixed("SG.", rf"{WORD}{{16,}}\.{WORD}{{16,}}"),
    _prefixed("key- pubkey-", r"[0-9a-f]{32}(?![A-Za-z0-9])"),  # Mailgun
    _of("-", r"(?<![A-Za-z0-9-])[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![A-Za-z0-9-])"),  # Mailgun
    _of("-us", r"(?<![A-Za-z0-9-])[0-9a-f]{32}-us\d{1,3}(?![A-Za-z0-9-])"),  # Mailchimp
    _prefixed("xkeysib- xsmtpsib-", rf"{WORD}{{40,}}"),
    _prefixed("re_", r"(?=[A-Za-z_]*\d)[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}"),
    _prefixed("md-", r"(?=[A-Za-z_-]*\d)(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])"),  # Mandrill
    # Money and shops
    _prefixed("sk_live_ sk_test_ rk_live_ rk_test_ sk_prod_ sk_org_", r"[A-Za-z0-9_-]{10,}"),
    _prefixed("whsec_", r"[A-Za-z0-9+/=]{20,}"),
    _prefixed("EAAA", rf"{WORD}{{50,}}"),
    _prefixed("sq0csp- sq0atp- sq0idp-", rf"{WORD}{{20,}}"),
    _of("access_token$", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    _prefixed("AQE", r"(?=\D{0,60}\d)[A-Za-z0-9+/_=-]{80,}"),  # Adyen
    _prefixed("access- public- link-", rf"(?:production|development|sandbox)-{UUID}"),  # Plaid
    _prefixed("FLWSECK FLWPUBK", r"[_-]?(?:TEST)?-?[0-9a-zA-Z]{12,}(?:-X)?"),
    _prefixed("shpat_ shpca_ shppa_ shpss_ shpua_", r"[0-9a-zA-Z]{32,}"),
    _prefixed("ck_ cs_", r"[0-9a-f]{40}(?![A-Za-z0-9])"),  # WooCommerce
    _prefixed("EZAK EZTK", r"[A-Za-z0-9]{54}"),
    _prefixed("shippo_live_ shippo_test_ duffel_live_ duffel_test_ lob_live_ lob_test_", rf"{WORD}{{30,}}"),
    _prefixed("live_ test_", r"(?=\D{0,30}\d)[A-Za-z0-9_-]{28,}"),  # Lob, GoCardless, Mollie
    _prefixed("rzp_live_ rzp_test_", r"[A-Za-z0-9]{14,}"),
    # Models and agents
    _prefixed("sk- rk-", r"[A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse …
    _prefixed("hf_ api_org_", r"[A-Za-z]{30,}"),
    _prefixed("r8_", r"[A-Za-z0-9]{30,}"),
    _prefixed("gsk_ xai- pplx- csk- nvapi- tgp_v1_ jina_ pcsk_ fw_ tvly- fc- e2b_ lsv2_pt_ lsv2_sk_ ls__",
              r"(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}"),
    _prefixed("sk_ pa- bb_live_ exa_ wandb_v1_ cog_ mem0- m0- cal_ apify_api_ phc_ phx_ hcp_", r"(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{30,}"),
    # Tools of teams
    _prefixed("glsa_ glc_ eyJrIjoi", r"[A-Za-z0-9+/=_-]{30,}"),
    _prefixed("sntrys_ sntryu_ sntrya_", r"[A-Za-z0-9+/=_-]{40,}"),
    _prefixed("NRAK- NRAA- NRRA- NRII- NRIQ- NRJS- NRSP-", rf"{WORD}{{19,}}"),
    _of("NRAL", r"(?<![A-Za-z0-9])[0-9a-z]{36}NRAL"),
    _prefixed("dt0c01. dt0s01. dt0s02. dt0s16. dt0e01.", r"[A-Z0-9]{8,24}\.[A-Z0-9]{40,}"),
    _prefixed("hcaik_ hcbik_ hcaic_ hcamk_ hcxik_ hcxlk_ hcalk_", r"[a-zA-Z0-9]{20,}"),
    _prefixed("PMAK- PMAT-", r"[0-9a-zA-Z]{20,}(?:-[0-9a-f]{20,})?"),
    _prefixed("lin_api_ lin_oauth_", r"[A-Za-z0-9]{30,}"),
    _prefixed("ntn_ secret_", r"(?=[A-Za-z]*\d)[A-Za-z0-9]{40,}"),
    _prefixed("pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{60,}"),  # Airtable
    _prefixed("figd_ figu_ figo_ figr_", rf"{WORD}{{30,}}"),
    _prefixed("pat-", rf"[a-z]{{2}}\d-{UUID}"),  # HubSpot
    _prefixed("CFPAT-", rf"{WORD}{{30,}}"),
    _prefixed("sl.", rf"(?:u\.)?{WORD}{{80,}}"),
    _prefixed("tfp_ rdme_ api-key- apk_", rf"{WORD}{{32,}}"),
    _of(".eyJ", rf"(?<![A-Za-z0-9])(?:sk|tk)\.eyJ{WORD}{{20,}}\.{WORD}{{16,}}"),  # Mapbox
    _of("00D", r"(?<![A-Za-z0-9])00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{60,}"),  # Salesforce
    _prefixed("EAACEdEose0cBA EAA IGQ", r"(?=[A-Za-z]*\d)[A-Za-z0-9]{80,}"),  # Meta
    _prefixed("A" * 19, r"[A-Za-z0-9%]{50,}"),  # X
    _prefixed("sdk- mob- api- rel-", UUID),  # LaunchDarkly
    _prefixed("1000.", rf"{HEX}{{32}}\.{HEX}{{32}}"),  # Zoho
    _prefixed("waka_", UUID),
    _prefixed("dG9rO", rf"{B64}{{40,}}={{0,2}}"),  # Intercom
    _prefixed("BBFF-", r"[A-Za-z0-9]{30,}"),
    _prefixed("WPL_AP1.", r"[A-Za-z0-9.+/=]{20,}"),
    _prefixed("fio-u-", rf"{WORD}{{40,}}"),
    _prefixed("EZ2 nxp_ dd_api_ ddpat_ ddapp_", r"(?=[A-Za-z_]*\d)[A-Za-z0-9_]{32,}"),
    _prefixed("aio_ p8e- dnkey- tk-us- rpa_ xau_ ory_ chpt_ dbtc_ dbtu_ hxtp_ xaat- xapt- esecret_ os_v2_app_ n8n_api_ sec-c- ATTA scwsm_",
              r"(?=\D{0,30}\d)[A-Za-z0-9+/=_-]{26,}"),
    _prefixed("sm_aat_ sm_pat_ sm_sat_ s-s4t2ud- s-s4t2af- sha256~ ak- as- mb_ unkey_ luma-",
              r"(?=[A-Za-z_-]{0,30}\d)[A-Za-z0-9+/=_-]{20,}"),
    _prefixed("API-", r"(?=[A-Z]*\d)[A-Z0-9]{24,32}(?![A-Za-z0-9])"),  # Octopus Deploy
    _prefixed("pat. sat.", r"[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),  # Harness
    _of("_mmk", r"(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),  # MaxMind
    _of(":APA91b", r"(?<![A-Za-z0-9])AAAA[\w-]{7}:APA91b[\w-]{100,}"),  # Firebase
    _of("/", r"(?<![\w/])[12]/\d{13,16}(?:/\d{13,16})?:[0-9a-f]{32}"),  # Asana
    _prefixed("amzn1.oa2-cs.v1. amzn.mws. Atza| Atzr|", r"[A-Za-z0-9_-]{20,}"),
    _prefixed("KEY", r"[0-9A-F]{32}_[A-Za-z0-9]{20,24}"),  # Telnyx
    _prefixed("pk_", r"(?:[0-9a-f]{34}|\d{5,12}_[A-Z0-9]{32})(?![A-Za-z0-9])"),  # Klaviyo, ClickUp
    _of(":", rf"(?<![\w-])(?:{UUID}:[0-9a-f]{{32}}|[0-9a-f]{{24}}:[0-9a-f]{{64}})(?![\w-])"),  # fal, Ghost
    _of("sk", r"(?<![A-Za-z0-9])sk[A-Za-z0-9]{80,}"),  # Sanity
    _of("00", r"(?<![A-Za-z0-9_-])00(?=[\w-]{0,40}[A-Z])(?=[\w-]{0,40}[a-z])[\w-]{40}(?![\w-])"),  # Okta
    _of("0.", rf"(?<![\w.])0\.{UUID}\.[A-Za-z0-9]{{30}}:[A-Za-z0-9+/]{{22}}=="),  # Bitwarden
    _of("_", r"(?<![A-Za-z0-9])[12](?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{26}_\d[A-Za-z0-9]{20,21}(?![A-Za-z0-9])"),  # ngrok
    _prefixed("eyJhIjoi", r"[A-Za-z0-9+/=_-]{100,}"),  # Cloudflare tunnels
    # Web tokens, keys and hashes
    _of("eyJ", r"(?<![A-Za-z0-9])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){1,3}", "access key"),  # JWT, JWE
    _of("v2.local. v4.local. v2.public. v4.public.", rf"v[1-4]\.(?:local|public)\.{WORD}{{40,}}", "access key"),  # PASETO
    _of("BEGIN", rf"{PEM}(?:[^-]|-(?!---)){{0,30000}}-{{4,5}} ?END [^-]{{0,60}}-{{4,5}}", "private key"),
    _of("BEGIN", rf"{PEM}(?:\s*[A-Z][A-Za-z-]{{2,20}}: [^\n]{{0,200}}\n){{0,5}}[A-Za-z0-9+/=\s\\]{{0,30000}}", "private key"),  # cut off
    _of("Private-Lines", r"Private-Lines: \d+\s+(?P<secret>(?:[A-Za-z0-9+/=]{16,}\s*)+)", "private key"),
    _prefixed("xprv yprv zprv tprv uprv vprv", r"[1-9A-HJ-NP-Za-km-z]{90,}", "private key"),
    _of("$2", r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}", "password hash"),
    _of("$argon2 $scrypt $pbkdf2", r"\$(?:argon2(?:id|i|d)|scrypt|pbkdf2(?:-[a-z0-9]+)?)\$[A-Za-z0-9+/=,.$-]{30,}", "password hash"),
    _of("$1$ $5$ $6$ $7$ $y$ $apr1$", r"\$(?:1|5|6|7|y|apr1)\$[A-Za-z0-9./=,$]{20,}", "password hash"),
    _of("pbkdf2_", r"pbkdf2_sha\d+\$\d+\$[^\s$]+\$[A-Za-z0-9+/=]{20,}", "password hash"),
    _of("}", r"\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{24,}", "password hash"),
)  # fmt: skip

SAID_BY_ITSELF = re.compile(
    rf"{START}(?:[a-z][a-z0-9]{{0,14}}[_-]){{0,3}}"
    r"(?:sk|rk|secret|token|tkn|key|apikey|api|pat|pw|priv|live|prod|sandbox|svc|sa|auth)[_-](?:[a-z0-9]{1,6}[_-]){0,2}(?P<secret>[A-Za-z0-9]{24,})(?![A-Za-z0-9])"
)  # fmt: skip
"""A value of an issuer nobody entered here, which says of itself that it is one: `acme_live_…`."""

URL_PASSWORD = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/?#@:\"'<>]{0,200}:(?P<secret>[^\s/?#\"'<>]{1,300})@(?=[^\s@])"
)
URL_USER = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,30}://(?P<secret>[A-Za-z0-9_-]{20,300})@(?=[^\s@])")
SCHEMES = "bearer|basic|apikey|ssws|geniekey|splunk|token|sso-key|negotiate|digest"
SCHEME = re.compile(rf"(?i)\b(?:{SCHEMES})\s+(?P<secret>[A-Za-z0-9._~+/=:-]{{8,4000}})")
HEADER = re.compile(
    rf"(?i)\b(?:proxy-)?authorization\\*[\"']?\s{{0,3}}[:=]\s{{0,3}}\\*[\"']?(?:{SCHEMES})\s+(?P<secret>[A-Za-z0-9._~+/=:-]{{6,4000}})"
)
BARE_HEADER = re.compile(
    r"(?i)\b(?:proxy-)?authorization\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?(?:[A-Za-z][\w-]{1,30}\s+)?(?P<secret>[A-Za-z0-9._~+/=:-]{6,4000})"
)
BASIC = re.compile(r"(?i)\bbasic\s+(?P<secret>[A-Za-z0-9+/]{6,4000}={0,2})")
COOKIE = re.compile(r"(?i)\b(?:set-)?cookie\\*[\"']?\s{0,3}:\s{0,3}\\*[\"']?[\w.!#$%&*+^`|~-]{1,60}=(?P<secret>[^\s\"'\\]{1,4000})")
COMMAND = (
    re.compile(
        r"(?:curl|wget|http)\b[^\n|]{0,400}?\s(?:-u|--user|--proxy-user|-a)[ =]{0,2}[\"']?[^\s:\"']{1,80}:(?P<secret>[^\s\"']{1,200})"
    ),
    re.compile(r"\bmachine\s+\S{1,200}\s+login\s+\S{1,200}\s+password\s+(?P<secret>\S{1,200})"),
    re.compile(r"\bsshpass\s+-p\s*(?P<secret>\S{1,200})"),
    re.compile(r"\bmysql(?:dump|admin)?\b[^\n|;]{0,200}?\s-p(?P<secret>[^\s-]\S{0,200})"),
)
FLAG = re.compile(r"(?<![\w-])--?(?P<name>[A-Za-z][\w-]{2,40})[ \t]+[\"']?(?P<secret>[^\s\"'-][^\s\"']{3,300})")
LONGEST_LOOK = 300
"""Characters of an unquoted value by which it is judged, as in `NAMED`. What follows without a blank belongs to it."""
NAMED = re.compile(
    r"(?P<name>(?:[A-Za-z]{2,20}[ -]){0,2}[A-Za-z_$@][\w.$@-]{0,80})"
    r"(?P<close>(?P<escape>\\*)[\"'`]?\]?)(?P<sep>[ \t]{0,3}(?:=>|:=|==?|:)\s{0,3}|\s{1,2}(?:is|was|ist|est|es|lautet)[ :]\s?)"
    r"(?:(?P<quote>\\*[\"'`])(?P<quoted>[^\n]{1,2000}?)(?P=quote)|(?P<plain>[^\s\"'`,;&<>\\]{1,300}))"
)
PLAIN = re.compile(r"[^\s\"'`,;&<>\\]+")
WEB_KEY = re.compile(r"\\*\"(?:d|p|q|dp|dq|qi|k)\\*\"\s*:\s*\\*\"(?P<secret>[A-Za-z0-9_-]{16,})\\*\"")
TELLING = (
    "pass", "pwd", "secret", "key", "token", "auth", "cred", "cookie", "sess", "pin", "otp", "cv", "code", "psk", "mnemonic", "phrase",
    "sig", "jwt", "bearer", "kennwort", "contrase", "senha", "answer", "seed", "csrf", "xsrf", "sid", "dsn", "salt", "licen",
)  # fmt: skip
"""One of them is part of every key name that says that its value is, or may be, secret."""

PLACEHOLDER = re.compile(
    r"(?i)^(?:[*•.x_-]+|<.*>|\[.*\]|\{\{?.*|\$[\{(A-Za-z_].*|%[A-Za-z_]+%|your[_-].*|my[_-].*(?:here|key|token|password)|null|none|nil|true|false|undefined|"
    r"required|optional|missing|invalid|string|str|integer|text|empty|unset|unknown|redacted|masked|hidden|yes|no|on|off|changed|expired|"
    r"wrong|incorrect|correct|set|enabled|disabled|n/a|todo|tbd|example|placeholder)$"
)  # fmt: skip
CODE = re.compile(r"^[A-Za-z_][\w]*(?:\(|\[|\.[A-Za-z_]\w*(?:[.(\[]|$)|::|->)|^\(|^await$|^new$|^lambda$|^f$|^[rb]$")
CODE_WORD = re.compile(r"^[A-Za-z_]+$")
ENDS = re.compile(r"[)\]}.:!?]+$")
SHORT_NAMES = re.compile(r"(?i)(?:pin|otp|totp|code|codes|cvv2?|cvc2?|csc|passcode|password|passwd|pwd|kennwort|passwort)$")


def found(text: str) -> Iterator[Credential]:
    """Every credential in a text, in no order; they may overlap."""
    for issued in ISSUERS:
        if any(anchor in text for anchor in issued.anchors):
            yield from _matches(issued.pattern, text, issued.name)
    yield from _matches(SAID_BY_ITSELF, text, "token", lambda secret: is_random(secret, 24))
    if "://" in text:
        yield from _matches(URL_PASSWORD, text, "password", lambda secret: not PLACEHOLDER.match(secret))
        yield from _matches(URL_USER, text, "token", lambda secret: is_random(secret, 20))
    if "kty" in text:
        yield from _matches(WEB_KEY, text, "private key")
    for pattern in COMMAND:
        yield from _matches(pattern, text, "password", lambda secret: not PLACEHOLDER.match(secret))
    yield from _matches(BASIC, text, "token", lambda secret: ":" in from_base64(secret))
    lower = text.lower()
    if not any(word in lower for word in TELLING):
        return
    yield from _matches(SCHEME, text, "token", lambda secret: is_random(secret, 12) or (len(secret) >= 20 and _is_mixed(secret)))
    yield from _matches(HEADER, text, "token", lambda secret: not PLACEHOLDER.match(secret))
    yield from _matches(BARE_HEADER, text, "token", lambda secret: is_random(secret, 8))
    yield from _matches(COOKIE, text, "token", lambda secret: not PLACEHOLDER.match(secret))
    yield from _flags(text)
    yield from _named(text)


def is_random(text: str, shortest: int = 16) -> bool:
    """Whether a text looks made by a machine: one word of letters with digits, hardly repeating, and no number, date, path or UUID."""
    if len(text) < shortest or not re.fullmatch(r"[A-Za-z0-9+/_.~=:!%-]+", text):
        return False
    if not re.search(r"\d", text) or not re.search("[A-Za-z]", text) or re.fullmatch(UUID, text):
        return False
    if re.fullmatch(r"(?:[A-Za-z]+|\d{1,4})(?:[/_.:-]+(?:[A-Za-z]+|\d{1,4}))*", text):
        return False  # words and small numbers, joined: a path, a slug, a date
    counts = Counter(text)
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())
    return bits >= min(3.0, math.log2(len(text)) - 0.9)


def _is_mixed(text: str) -> bool:
    return bool(re.search("[a-z]", text) and re.search("[A-Z]", text[1:]))


def _matches(pattern: re.Pattern[str], text: str, name: str, is_one: Callable[[str], bool] = bool) -> Iterator[Credential]:
    group = "secret" if "secret" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        if is_one(match[group]):
            yield Credential(match.start(group), match.end(group), name)


def _flags(text: str) -> Iterator[Credential]:
    """Values of options on a command line, such as `--token abc`."""
    for match in FLAG.finditer(text):
        value = match["secret"]
        if is_secret_name(match["name"]) and not PLACEHOLDER.match(value) and not value.isupper():
            yield Credential(match.start("secret"), match.end("secret"), "password")


def _named(text: str) -> Iterator[Credential]:
    """Values after the name of a key: `password=…`, `"api_key": "…"`, `PIN: …`."""
    at = 0
    while match := NAMED.search(text, at):
        group = "quoted" if match["quoted"] is not None else "plain"
        start, end = match.span(group)
        at = match.start("quote") if match["quote"] else start  # what is a value here may be the name of the next one
        if group == "plain" and (tail := ENDS.search(match["plain"])):
            end -= len(tail[0])
        if end > start and _is_named_secret(match, text[start:end], text[end : end + 1]):
            whole = PLAIN.match(text, end) if end - start == LONGEST_LOOK else None
            at = end = whole.end() if whole else end
            yield Credential(start, end, "password")


def _is_named_secret(match: re.Match[str], value: str, after: str) -> bool:
    name, is_quoted = _name_in_sentence(match["name"]), match["quote"] is not None
    sure = is_secret_name(name)
    if not sure and not may_be_secret_name(name):
        return False
    if PLACEHOLDER.match(value) or (not is_quoted and CODE.match(match["plain"])):
        return False
    if not sure:
        return is_random(value, 16)
    is_tight = match["sep"] in ("=", ":=", "=>") or bool(match["close"])
    if is_quoted:
        return len(value) >= 3 and not (is_secret_name(value) and " " not in value and value.isidentifier() and value.islower())
    if is_tight and not name[: -len(name.split()[-1])].strip():
        return len(value) >= 3
    if match["sep"].strip() == "=" and CODE_WORD.match(value):
        return False  # `password = confirmation`: a name in a program
    return _stands_alone(match, value, after)


def _name_in_sentence(name: str) -> str:
    """Without the words of a sentence before it: of `use the api_key`, `api_key`; of `API key`, all."""
    words = name.split()
    while len(words) > 1 and words[0].lower() in NO_START:
        words.pop(0)
    return " ".join(words)


def from_base64(text: str) -> str:
    """The text that is written in base64; empty if it is none."""
    bare = text.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        plain = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return plain if all(part.isprintable() for part in plain.split()) else ""


def _stands_alone(match: re.Match[str], value: str, after: str) -> bool:
    """Whether what follows `name: ` is a secret and not the next word of a sentence."""
    shortest = 4 if SHORT_NAMES.search(match["name"]) else 8
    if len(value) < (3 if SHORT_NAMES.search(match["name"]) and value.isdigit() else shortest):
        return False
    if re.search(r"\d", value) and not re.fullmatch(r"\d{1,3}(?:[.,]\d+)?%?", value) and not re.fullmatch(r"[A-Za-z]+-[a-z-]+", value):
        return True
    if re.search(r"[^\w.-]", value) or _is_mixed(value):
        return "://" not in value
    line = match.string.rfind("\n", 0, match.start()) + 1
    is_setting = not match.string[line : match.start()].strip(" \t-\"'{") and " " not in match["name"]
    return is_setting and after in ("", "\n", "\r") and match["sep"].strip() in (":", "=")
