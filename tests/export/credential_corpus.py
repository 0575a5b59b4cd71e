"""Made-up credentials in their issuers' documented formats, secret and harmless key names, and ordinary text.

The collection was written without looking at the rules in `hitl_tui/export/` that it measures. Correct facts here, such as a length that
an issuer documents otherwise, but never a sample because a rule misses it.

A template builds its credential from parts, so that the repository holds nothing that looks like a real one: `|` is left out, and `{x40}`
stands for 40 random characters of the alphabet `x` below. What is between `«` and `»` is the secret, by default all of it; the text around
it may stay.
"""

import random
import re
import string
from dataclasses import dataclass

ALPHABETS = {
    "A": string.ascii_letters + string.digits,
    "a": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase,
    "L": string.ascii_letters,
    "d": string.digits,
    "x": "0123456789abcdef",
    "X": "0123456789ABCDEF",
    "b": string.ascii_letters + string.digits + "+/",
    "w": string.ascii_letters + string.digits + "_-",
    "n": string.ascii_letters + string.digits + "_",
    "T": string.ascii_uppercase + "234567",
    "k": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "Q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}


@dataclass(frozen=True)
class Sample:
    """`text` as somebody pastes it; `secret` is the part of it that no export may hold."""

    name: str
    text: str
    secret: str


def build(name: str, template: str) -> Sample:
    """The sample of a template; the same every time, since the name is the seed."""
    numbers = random.Random(name)

    def characters(hole: re.Match[str]) -> str:
        if hole[1] == "u":
            digits = "".join(numbers.choices(ALPHABETS["x"], k=32))
            return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        return "".join(numbers.choices(ALPHABETS[hole[1]], k=int(hole[2])))

    text = re.sub(r"\{([A-Za-z])(\d*)\}", characters, template.replace("|", ""))
    found = re.search("«(.*)»", text, re.DOTALL)
    secret = found[1] if found else text
    return Sample(name, text.replace("«", "").replace("»", ""), secret)


PEM_BODY = "{b64}\n{b64}\n{b64}\n{b40}="
JWT = "ey|JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.ey|Jzdw{A60}.{w43}"

FORMATS = {
    # Clouds
    "AWS access key": "AK|IA{T16}",
    "AWS temporary access key": "AS|IA{T16}",
    "AWS secret key in a credentials file": "aws_secret_access_key = «{b40}»",
    "AWS session token in a credentials file": "aws_session_token=«IQoJb3JpZ2luX2Vj{b180}=»",
    "AWS secret key exported in a shell": 'export AWS_SECRET_ACCESS_KEY="«{b40}»"',
    "AWS Bedrock API key": "AB|SKQmVkcm9ja0FQSUtleS{b110}=",
    "AWS presigned URL": "https://b.s3.amazonaws.com/r.pdf?X-Amz-Expires=900&X-Amz-Signature=«{x64}»",
    "Google API key": "AI|za{w35}",
    "Google OAuth access token": "ya|29.a0{w150}",
    "Google OAuth client secret": "GOC|SPX-{w28}",
    "Google OAuth refresh token": "1/|/0{w90}",
    "Google Cloud storage HMAC key": "GO|OG1E{U55}",
    "Google service account": '{"type": "service_account", "private_key": "'
    '-----BEGIN PRIVATE| KEY-----\\n«{b64}\\n{b64}\\n{b40}»\\n-----END PRIVATE| KEY-----\\n"}',
    "Google signed URL": "https://storage.googleapis.com/b/o?X-Goog-Date=20250101T000000Z&X-Goog-Signature=«{x256}»",
    "Azure storage connection string": "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=«{b86}==»",
    "Azure Service Bus connection string": "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=«{b43}=»",
    "Azure Cosmos DB connection string": "AccountEndpoint=https://shop.documents.azure.com:443/;AccountKey=«{b86}==»;",
    "Azure SAS URL": "https://shop.blob.core.windows.net/c/a.txt?sv=2024-05-04&sp=r&se=2025-01-01&sig=«{A43}%3D»",
    "Azure Entra client secret": "{A3}8|Q~{A34}",
    "Azure DevOps token": "{A76}AZ|DO{A4}",
    "Azure Functions key": "{w44}Az|Fu{w4}{b1}Q==",
    "Azure Container Registry key": "{b42}+AC|R{b6}",
    "DigitalOcean personal token": "do|p_v1_{x64}",
    "DigitalOcean OAuth token": "do|o_v1_{x64}",
    "DigitalOcean refresh token": "do|r_v1_{x64}",
    "Alibaba Cloud access key": "LT|AI5t{A18}",
    "Tencent Cloud secret id": "AK|ID{A32}",
    "Yandex Cloud API key": "AQ|VN{w35}",
    "Heroku API key": "HR|KU-AA{w58}",
    "Heroku legacy API key in a setting": "HEROKU_API_KEY=«{u}»",
    "Cloudflare Origin CA key": "v1|.0-{x24}-{x146}",
    "Cloudflare API token in a setting": "CLOUDFLARE_API_TOKEN=«{w40}»",
    "Fly.io token": "Fly|V1 fm2_{b160}=",
    "Netlify token": "nf|p_{A36}",
    "Render API key": "rn|d_{A28}",
    "Supabase personal token": "sb|p_{x40}",
    "Supabase secret key": "sb_|secret_{w22}_{w8}",
    "PlanetScale token": "ps|cale_tkn_{w43}",
    "PlanetScale password": "ps|cale_pw_{w43}",
    "Neon API key": "na|pi_{a64}",
    "Aiven service password": "AV|NS_{w19}",
    "CockroachDB Cloud key": "CC|DB1_{A22}_{A40}",
    "Databricks token": "da|pi{x32}",
    "Databricks token with a shard": "da|pi{x32}-2",
    "Terraform Cloud token": "{A14}.at|lasv1.{w67}",
    "HashiCorp Vault service token": "hv|s.{w95}",
    "HashiCorp Vault batch token": "hv|b.AAAAAQ{w140}",
    "Doppler personal token": "dp|.pt.{A43}",
    "Doppler service token": "dp|.st.prd.{A43}",
    "Pulumi token": "pu|l-{x40}",
    "Scaleway key in a setting": "SCW_SECRET_KEY=«{u}»",
    "Prefect key": "pn|u_{A36}",
    "Tailscale auth key": "ts|key-auth-k{A11}CNTRL-{A32}",
    "1Password service account": "op|s_ey|J{A250}",
    "1Password account key": "A3|-{U6}-{U6}-{U5}-{U5}-{U5}-{U5}",
    "age identity": "AGE-SECRET|-KEY-1{Q58}",
    # Code hosts, registries and builds
    "GitHub classic token": "gh|p_{A36}",
    "GitHub OAuth token": "gh|o_{A36}",
    "GitHub user-to-server token": "gh|u_{A36}",
    "GitHub installation token": "gh|s_{A36}",
    "GitHub refresh token": "gh|r_{A76}",
    "GitHub fine-grained token": "github|_pat_{A22}_{A59}",
    "GitLab personal token": "gl|pat-{w20}",
    "GitLab routable token": "gl|pat-{w27}.01.{a9}",
    "GitLab deploy token": "gl|dt-{w20}",
    "GitLab runner token": "gl|rt-{w20}",
    "GitLab trigger token": "gl|ptt-{x40}",
    "GitLab registration token": "GR|1348941{w20}",
    "Bitbucket app password": "AT|BB{A24}{X8}",
    "Atlassian API token": "AT|ATT3xFfGF0{w170}={X8}",
    "npm token": "np|m_{A36}",
    "npm token in .npmrc": "//registry.npmjs.org/:_authToken=«{u}»",
    "PyPI token": "py|pi-AgEIcHlwaS5vcmc{w150}",
    "RubyGems key": "ru|bygems_{x48}",
    "crates.io token": "ci|o{A32}",
    "NuGet key": "oy|2{a43}",
    "Docker Hub token": "dc|kr_pat_{w27}",
    "Docker registry login": '{"auths": {"registry.example.com": {"auth": "«{A38}==»"}}}',
    "Clojars token": "CLO|JARS_{a60}",
    "Artifactory API key": "AK|Cp8{A69}",
    "Artifactory reference token": "cmVm|dGtuOjAxO{A55}",
    "CircleCI token": "CCI|PAT_{A22}_{x40}",
    "Buildkite token": "bk|ua_{x40}",
    "SonarQube token": "sq|p_{x40}",
    "Sourcegraph token": "sg|p_{x16}_{x40}",
    # Chat and mail
    "Slack bot token": "xo|xb-{d12}-{d13}-{A24}",
    "Slack user token": "xo|xp-{d12}-{d12}-{d13}-{x32}",
    "Slack app token": "xa|pp-1-A{U10}-{d13}-{x64}",
    "Slack configuration token": "xo|xe.xo|xp-1-{A166}",
    "Slack webhook": "https://hooks.sl|ack.com/services/«T{U8}/B{U10}/{A24}»",
    "Discord bot token": "MT{A24}.G{w5}.{w38}",
    "Discord webhook": "https://disc|ord.com/api/webhooks/{d19}/«{w68}»",
    "Telegram bot token": "{d10}:A|AF{w32}",
    "Teams webhook": "https://shop.webhook.of|fice.com/webhookb2/{u}@{u}/IncomingWebhook/«{x32}»/{u}",
    "Twilio API key": "S|K{x32}",
    "Twilio auth token in a setting": "TWILIO_AUTH_TOKEN: «{x32}»",
    "SendGrid key": "S|G.{w22}.{w43}",
    "Mailgun key": "ke|y-{x32}",
    "Mailgun signing key": "{x32}-{x8}-{x8}",
    "Mailchimp key": "{x32}-u|s12",
    "Brevo key": "xk|eysib-{x64}-{A16}",
    "Brevo SMTP key": "xs|mtpsib-{x64}-{A16}",
    "Resend key": "r|e_{A8}_{A24}",
    "Postmark token in a header": "X-Postmark-Server-Token: «{u}»",
    # Money and shops
    "Stripe live key": "sk|_live_{A99}",
    "Stripe short live key": "sk|_live_{A24}",
    "Stripe test key": "sk|_test_{A24}",
    "Stripe restricted key": "rk|_live_{A99}",
    "Stripe webhook secret": "wh|sec_{A32}",
    "Square access token": "EA|AA{w60}",
    "Square OAuth secret": "sq0|csp-{w43}",
    "Braintree access token": "access|_token$production${a16}${x32}",
    "Adyen API key": "AQ|E{w40}{b40}=-{b43}=-{w16}",
    "Plaid access token": "access|-production-{u}",
    "Flutterwave key": "FLW|SECK-{x32}-X",
    "Shopify access token": "shp|at_{x32}",
    "Shopify shared secret": "shp|ss_{x32}",
    "WooCommerce consumer secret": "c|s_{x40}",
    "EasyPost key": "EZ|AK{A54}",
    "Shippo key": "ship|po_live_{x40}",
    "Duffel token": "duf|fel_live_{w43}",
    "PayPal secret in a setting": "PAYPAL_CLIENT_SECRET='«E{w79}»'",
    # Models and agents
    "OpenAI legacy key": "s|k-{A20}T3Blbk|FJ{A20}",
    "OpenAI project key": "s|k-proj-{w74}T3Blbk|FJ{w74}",
    "OpenAI service account key": "s|k-svcacct-{w58}T3Blbk|FJ{w58}",
    "Anthropic key": "s|k-ant-api03-{w93}AA",
    "Anthropic admin key": "s|k-ant-admin01-{w93}AA",
    "Hugging Face token": "h|f_{L34}",
    "Replicate token": "r|8_{A37}",
    "Groq key": "gs|k_{A52}",
    "xAI key": "xa|i-{A80}",
    "Perplexity key": "pp|lx-{A48}",
    "OpenRouter key": "s|k-or-v1-{x64}",
    "DeepSeek key": "s|k-{x32}",
    "LangSmith key": "lsv2|_pt_{x32}_{x10}",
    "Langfuse secret key": "s|k-lf-{u}",
    "Pinecone key": "pc|sk_{A6}_{A63}",
    "NVIDIA key": "nv|api-{w64}",
    "Together key": "tg|p_v1_{w43}",
    "Cerebras key": "cs|k-{a48}",
    "Tavily key": "tv|ly-dev-{A32}",
    "ElevenLabs key": "s|k_{x48}",
    "Firecrawl key": "f|c-{x32}",
    "E2B key": "e2|b_{x40}",
    "Fireworks key": "f|w_{A24}",
    "Mistral key in a setting": "MISTRAL_API_KEY=«{A32}»",
    # Tools of teams
    "Grafana service account": "gl|sa_{A32}_{x8}",
    "Grafana Cloud token": "gl|c_ey|JvIjoi{b80}=",
    "Sentry organization token": "sn|trys_ey|J{A120}=_{b43}",
    "Sentry user token": "sn|tryu_{x64}",
    "New Relic user key": "NR|AK-{U27}",
    "New Relic license key": "{x36}NR|AL",
    "Dynatrace token": "dt|0c01.{T24}.{T64}",
    "Datadog key in a setting": "DD_API_KEY=«{x32}»",
    "Honeycomb ingest key": "hc|aik_{a58}",
    "Postman key": "PM|AK-{x24}-{x34}",
    "Linear key": "lin|_api_{A40}",
    "Notion token": "nt|n_{d11}{A35}",
    "Notion legacy token": "sec|ret_{A43}",
    "Airtable token": "pa|t{A14}.{x64}",
    "Figma token": "fi|gd_{w40}",
    "HubSpot token": "pa|t-na1-{u}",
    "Contentful token": "CF|PAT-{w43}",
    "Dropbox token": "s|l.u.{w140}",
    "Typeform token": "tf|p_{w59}",
    "Mapbox secret token": "s|k.ey|J1{A80}.{w22}",
    "Okta token in a header": "Authorization: SS|WS «00{w40}»",
    "Salesforce session": "00D{A12}!AR|8AQ{A90}",
    "Facebook access token": "EA|ACEdEose0cBA{A120}",
    "Twitter bearer token": "AAAAAAAAAAAAAAAAAAAAA{A30}%3D{A50}",
    "Segment token": "sg|p_{A64}",
    "LaunchDarkly key": "sd|k-{u}",
    "Zoho token": "10|00.{x32}.{x32}",
    "ReadMe key": "rd|me_{a70}",
    "MongoDB Atlas secret": "md|b_sa_sk_{w40}",
    # Keys, hashes and wallets
    "RSA private key": f"-----BEGIN RSA PRIVATE| KEY-----\n«{PEM_BODY}»\n-----END RSA PRIVATE| KEY-----",
    "EC private key": f"-----BEGIN EC PRIVATE| KEY-----\n«{PEM_BODY}»\n-----END EC PRIVATE| KEY-----",
    "PKCS 8 private key": f"-----BEGIN PRIVATE| KEY-----\n«{PEM_BODY}»\n-----END PRIVATE| KEY-----",
    "encrypted PKCS 8 private key": f"-----BEGIN ENCRYPTED PRIVATE| KEY-----\n«{PEM_BODY}»\n-----END ENCRYPTED PRIVATE| KEY-----",
    "encrypted RSA private key": "-----BEGIN RSA PRIVATE| KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{X32}\n\n"
    f"«{PEM_BODY}»\n-----END RSA PRIVATE| KEY-----",
    "OpenSSH private key": f"-----BEGIN OPENSSH PRIVATE| KEY-----\n«{PEM_BODY}»\n-----END OPENSSH PRIVATE| KEY-----",
    "PGP private key": f"-----BEGIN PGP PRIVATE| KEY BLOCK-----\n\n«{PEM_BODY}\n=x3Fa»\n-----END PGP PRIVATE| KEY BLOCK-----",
    "private key that was cut off": "-----BEGIN RSA PRIVATE| KEY-----\n«{b64}\n{b64}\n{b20}»",
    "PuTTY private key": "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 2\n{b64}\n{b16}\n"
    "Private-Lines: 1\n«{b48}»\nPrivate-MAC: {x64}",
    "WireGuard private key": "[Interface]\nPrivateKey = «{b42}0=»\nAddress = 10.0.0.2/32",
    "JSON web key": '{"kty": "EC", "crv": "P-256", "x": "{w43}", "d": "«{w43}»"}',
    "bcrypt hash": "$2|b$12${A53}",
    "Argon2 hash": "$argon2|id$v=19$m=65536,t=3,p=4${b22}${b43}",
    "SHA-512 crypt hash": "root:«$|6${A16}${A86}»:19000:0:99999:7:::",
    "Bitcoin extended private key": "xp|rv9s21{k103}",
    "Ethereum private key in a setting": "PRIVATE_KEY=0x«{x64}»",
    # Ways to write them
    "JSON web token": JWT,
    "bearer header": "Authorization: Bea|rer «{w40}»",
    "bearer header on a command line": "curl -H 'authorization: bea|rer «{w32}»' https://api.example.com/v1/orders",
    "basic header": "Authorization: Ba|sic «{A30}==»",
    "token header": "Authorization: Token «{x40}»",
    "API key header": "X-API-Key: «{A32}»",
    "cookie header": "Cookie: sessionid=«{a32}»; theme=dark",
    "curl user": "curl -u admin:«{A14}» https://api.example.com/",
    "PostgreSQL URL": "postgres://app:«{A12}»@localhost:5432/app",
    "PostgreSQL URL with a short password": "postgres://app:«hunter2»@localhost/app",
    "SQLAlchemy URL": "postgresql+asyncpg://app:«{A16}»@db.internal/app",
    "MySQL URL": "mysql://root:«{A10}»@127.0.0.1:3306/shop",
    "MongoDB URL": "mongodb+srv://app:«{A18}»@cluster0.ab1cd.mongodb.net/?retryWrites=true",
    "Redis URL without a user": "redis://:«{A20}»@cache.internal:6379/0",
    "AMQP URL": "amqps://svc:«{A20}»@mq.internal/vhost",
    "Git URL": "https://oauth2:«{w24}»@git.example.com/team/app.git",
    "Git URL with a token as its user": "https://«gh|p_{A36}»@github.com/team/app.git",
    "Cloudinary URL": "cloudinary://{d15}:«{w27}»@shop",
    "Sentry legacy DSN": "https://{x32}:«{x32}»@sentry.example.com/2",
    "JDBC URL": "jdbc:postgresql://db.internal/app?user=app&password=«{A14}»&ssl=true",
    "ADO.NET connection string": "Server=tcp:db.internal,1433;Database=app;User ID=sa;Password=«{A16}»;Encrypt=True",
    "libpq string": "host=db.internal dbname=app user=app password=«{A13}» sslmode=require",
    "netrc line": "machine api.example.com login bot password «{A16}»",
    "environment line": "DB_PASSWORD=«{A9}»",
    "YAML line": "  password: «{A11}»",
    "command line flag": "mysqldump --user=root --password=«{A12}» shop",
    "command line flag with a blank": "hub login --token «{A26}»",
    "URL parameter": "https://api.example.com/v1/me?access_token=«{w40}»&page=2",
    "URL-encoded parameter": "redirect=https%3A%2F%2Fapp.example.com%2Fcb%3Faccess_token%3D«{A40}»",
    "one-time password URL": "otpauth://totp/Shop:ann@example.com?secret=«{T32}»&issuer=Shop",
    "JSON in a text": 'the body was {"user": "ann", "password": "«{A12}»"}',
    "JSON in JSON in a text": '{"body": "{\\"client_secret\\": \\"«{A24}»\\"}"}',
    "Python call": 'client = Client(base_url=url, api_key="«{A32}»")',
    "Python dict": "{'user': 'ann', 'passwd': '«{A12}»'}",
}

_SECRET_KEYS = """
    password passwd pwd pass passphrase passcode userPassword user_password db_password DB_PASSWORD PGPASSWORD MYSQL_PWD newPassword
    password_confirmation smtp-password adminPassword keystorePassword secret client_secret clientSecret app_secret consumer_secret
    secret_key SECRET_KEY secretKey shared_secret signing_secret webhook_secret jwt_secret totp_secret secret_access_key
    AWS_SECRET_ACCESS_KEY api_key apikey apiKey api-key API_KEY x-api-key X-API-Key openai_api_key OPENAI_API_KEY stripeApiKey
    private_key privateKey PRIVATE_KEY ssh_private_key ssh_key encryption_key encryptionKey signing_key master_key account_key
    accountKey storage_account_key access_key access_token accessToken refresh_token refreshToken id_token auth_token authToken
    _authToken bearer_token oauth_token oauthTokenSecret session_token bot_token slackBotToken GITHUB_TOKEN gh_token npm_token
    X-Auth-Token X-Vault-Token token authorization Authorization proxy-authorization cookie Set-Cookie session_id sessionid
    session_cookie csrf_token credentials credential otp one_time_password mfa_code recovery_codes backup_code seed_phrase mnemonic
    pin cvv cvc security_code psk preshared_key wifi_password license_key hmac_key
"""
SECRET_KEYS = tuple(_SECRET_KEYS.split())
"""Names of JSON keys whose value is a secret, whatever it looks like."""

HARMLESS_KEYS = {
    "max_tokens": 4096,
    "maxTokens": 1024,
    "total_tokens": 5120,
    "token_count": 17,
    "prompt_tokens": "812",
    "completion_tokens": "90",
    "tokenizer": "cl100k_base",
    "tokens_per_minute": 90000,
    "tokenType": "bearer",
    "token_type": "Bearer",
    "key": "region",
    "keys": ["name", "city"],
    "keyboard": "German layout",
    "keyword": "running shoes",
    "keywords": ["shoes", "running"],
    "primary_key": "order_id",
    "foreign_key": "customer_id",
    "sort_key": "created_at",
    "partition_key": "2025-03",
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNn ann@laptop",
    "key_points": "Delivery is late; the customer wants a refund.",
    "monkey": "see, hear, speak",
    "turkey": "2 kg, frozen",
    "passenger": "Ann Berg",
    "passengers": 3,
    "pass_rate": "93 %",
    "passed": True,
    "bypass": "north road",
    "compass": "NNW",
    "passage": "The second paragraph.",
    "secretary": "Ann Berg",
    "secretariat": "Room 12",
    "author": "Ann Berg",
    "authors": ["Ann Berg", "Bob Lee"],
    "authority": "City of Bergen",
    "authorized_by": "Ann Berg",
    "authored_at": "2025-03-01",
    "auth_method": "password",
    "session_count": 12,
    "session_name": "Morning shift",
    "session_length": "45 minutes",
    "cookies_baked": 24,
    "cookie_policy": "strict",
    "pinned": True,
    "spin": "clockwise",
    "opinion": "Good value for money.",
    "pin_count": 40,
    "password_policy": "at least 12 characters",
    "password_changed_at": "2025-03-01T10:00:00Z",
    "password_required": True,
    "has_password": False,
    "credential_type": "service account",
    "secret_santa": "Bob Lee",
    "certificate_number": "EN-10204",
    "api_version": "2024-05-01",
    "apiary": "12 hives",
    "hotkey": "ctrl+s",
    "key_result": "Reduce churn by 2 %.",
    "idempotency_key": "order-1042-refund",
    "cache_key": "orders:1042",
    "translation_key": "cart.checkout.title",
    "access_level": "read only",
    "accessories": "belt, hat",
    "signature_required": True,
    "design": "blue, with stripes",
    "hash_tag": "#spring",
}
"""Names that resemble a secret's, with ordinary values that must stay."""

ORDINARY = """
Please reset my password, I cannot log in.
The password must have at least 12 characters and one digit.
My password does not work since yesterday.
Password: the link in the mail has expired, says the customer.
She forgot her password again and asks for a new one.
Passwords are stored as hashes, never as text.
Change your password every year? NIST says no.
How do I change the password of my router?
I never got the password reset mail.
Two-factor authentication is on for all accounts.
The secret of good bread is time.
It is no secret that delivery took too long.
Secret Santa is on 12 December in room 4.
Top secret: the new colour is green.
The secretary will call you back tomorrow.
The token was invalid, so the request failed with 401.
The model used 4,096 tokens and stopped.
A token of our appreciation: 10 % off your next order.
token economy, token ring, token bucket
Tokens: 812 in, 90 out, 902 together.
Her token gesture did not help.
The bearer of this letter may enter.
Bearer bonds were banned in 1982.
Bearer tokens expire after one hour by default.
A basic understanding of SQL is enough.
Basic authentication is off on the new server.
Authorization: required for amounts over 500 EUR.
The authorization of the refund is pending.
Authorization was given by Ann Berg on Monday.
Cookies: chocolate, oat, ginger.
Cookie: a small sweet biscuit, says the dictionary.
We use cookies to improve the site.
The session was moved to Thursday at 10:00.
Session 3: error handling in distributed systems
The key to success is to start early.
Key figures: revenue 4.2 million, costs 3.1 million.
The keys are under the mat.
Press any key to go on.
The API key is missing from the settings.
Your API key has expired; make a new one in the portal.
Where do I find my API key?
Rotate API keys every 90 days.
The private key never leaves the device.
A public key may be shared with anybody.
Primary key: order_id; foreign key: customer_id
Signing keys are kept by the platform team.
Pin the version before the release.
PIN codes are sent by post.
The pin fell off the board.
Credentials: MSc in chemistry, ten years of practice.
His credentials are excellent.
The license key was sent to the customer by mail.
Please pass the salt.
Pass: 93 of 100 tests
All tests passed in 12 minutes.
The pass over the mountain is closed until May.
Passport numbers are not stored.
The passphrase is a joke that only we know.
Hello Ann, your order 10423 has shipped and arrives on Friday.
The customer wants a refund of 120.50 EUR for a broken lamp.
Could you move my appointment to next week?
Thanks a lot for your quick answer!
Our office is closed from 24 December to 1 January.
The invoice INV-2025-00417 is overdue since 3 March.
Please find the report attached.
I would like to cancel my subscription at the end of the month.
Delivery to Bergstraße 12, 10115 Berlin, third floor.
The lamp is 45 cm high and weighs 2.3 kg.
Our flight LH1234 was late by four hours.
We met at the fair in Hannover last year.
The meeting is at 14:30 in room Oslo.
Can you send me an offer for 200 chairs?
The blue one, please, in size M.
The parcel was left with the neighbour.
Revenue grew by 12 % in the third quarter.
I agree with the terms and conditions.
No, I did not order this.
Let me know if you need anything else.
The agent proposes to send a mail to all customers.
Deleting the table would lose 1,204 rows.
The query returned 17 rows in 0.3 s.
Restart the service after the change.
The backup runs every night at 02:00.
Disk usage on db-3 is at 91 %.
The certificate expires in 14 days.
Rolled back to version 2.14.3 after errors rose to 4 %.
CPU is at 80 % since the release of Tuesday.
The pod api-7d9f8b6c5-x2v4q restarted three times.
Memory limit raised from 512Mi to 1Gi.
Error: connection refused by 10.0.3.17 on port 5432
Timeout after 30 s while calling the payment service.
See the runbook before you restart the cluster.
The migration adds a column and an index.
Merge request !482 is approved by two people.
Fixes #1042: the total was rounded twice.
Please review the pull request before noon.
The build failed in step 4 of 9.
The feature is behind a flag until Monday.
Add a test for the empty list.
The function returns None when nothing is found.
This class is thread-safe.
Use a list comprehension instead of a loop.
It was the best of times, it was the worst of times.
All happy families are alike; each unhappy family is unhappy in its own way.
Two roads diverged in a yellow wood.
To be, or not to be, that is the question.
Water boils at 100 degrees at sea level.
The mitochondria is the powerhouse of the cell.
The Treaty of Westphalia was signed in 1648.
Photosynthesis turns light into chemical energy.
The speed of light is 299,792,458 metres per second.
Sehr geehrte Frau Berg, anbei erhalten Sie Ihre Rechnung.
Bitte setzen Sie mein Passwort zurück.
Die Lieferung verzögert sich um zwei Tage.
Le mot de passe doit contenir au moins douze caractères.
Je voudrais annuler ma commande, s'il vous plaît.
La contraseña no funciona desde ayer.
El pedido llegará el viernes por la mañana.
パスワードを忘れました。
ご注文ありがとうございます。
我忘记了密码,请帮我重置。
Пожалуйста, сбросьте мой пароль.
नमस्ते दुनिया, आपका ऑर्डर भेज दिया गया है।
شكرا جزيلا على ردكم السريع
Olá, gostaria de cancelar a minha assinatura.
Il pacco è arrivato danneggiato.
Ik wil graag mijn bestelling annuleren.
ann@example.com
bob.lee+orders@mail.example.co.uk
ann.berg@example.com, bob.lee@example.com, carol@example.org
mailto:ann@example.com
https://example.com/orders/10423
https://example.com/search?q=blue+lamp&page=2&sort=price
https://docs.example.com/guides/authentication#api-keys
https://example.com/reset-password?user=ann
https://example.com/a/very/long/path/that/goes/on/and/on/index.html
http://localhost:8000/docs
http://10.0.3.17:9200/_cluster/health
https://github.com/langchain-ai/langgraph/issues/1042
https://github.com/example/app/commit/{x40}
https://www.youtube.com/watch?v={w11}
https://user.example.com:8443/login
https://example.com/product/lamp-blue-45cm?utm_source=mail&utm_campaign=spring_sale_2025
https://en.wikipedia.org/wiki/Password_strength
https://example.atlassian.net/browse/SHOP-1042
https://docs.google.com/document/d/{w44}/edit
https://zoom.us/j/98765432101
s3://shop-backups/2025/03/01/orders.parquet
gs://shop-data/exports/orders-2025-03.csv
postgres://localhost:5432/app
postgresql://app@db.internal/app
redis://cache.internal:6379/0
mongodb://db1.internal,db2.internal/app?replicaSet=rs0
git@github.com:team/app.git
ssh://git@git.example.com:2222/team/app.git
file:///var/log/app/server.log
/home/ann/projects/shop/src/main.py
/etc/nginx/sites-enabled/default
/var/lib/postgresql/data/pg_hba.conf
~/.ssh/id_ed25519.pub
~/.aws/credentials
C:\\Users\\ann\\Documents\\report.docx
./scripts/rotate_api_keys.sh --dry-run
src/auth/token_provider.ts
secrets/README.md
config/passwords.example.yml
{u}
{u} {u}
order {u} was cancelled
thread {u}, run {u}
urn:uuid:{u}
{x40}
{x64}
{x7}
{x32}
commit {x40}
sha256:{x64}
registry.example.com/app@sha256:{x64}
sha512-{b86}==
md5 {x32}
integrity: sha384-{b64}
ETag: "{x32}"
call_{A24}
toolu_01{A22}
chatcmpl-{A29}
run-{u}
msg_01{A22}
resp_{x48}
asst_{A24}
file-{A22}
lc_{u}
cus_{A14}
pi_{A24}
in_{A24}
prod_{A14}
price_{A24}
evt_{A24}
ch_{A24}
pk_test_{A24}
arn:aws:iam::123456789012:role/deploy
arn:aws:s3:::shop-backups/*
arn:aws:lambda:eu-central-1:123456789012:function:resize
i-{x17}
vpc-{x17}
subnet-{x17}, sg-{x17}
ami-{x17}
projects/shop-prod/locations/europe-west3/clusters/main
/subscriptions/{u}/resourceGroups/shop/providers/Microsoft.Web/sites/api
AC{x32}
01{U24}
{k22}
PO-2025-00417
INV-2025-00417-A
SKU 4006381333931
ISBN 978-3-16-148410-0
IBAN DE89 3704 0044 0532 0130 00
BIC COBADEFFXXX
VAT DE123456789
+49 30 901820
(555) 010-4477
tracking 1Z999AA10123456784
UPS 1Z12345E0291980793
flight LH1234, seat 14C, booking X7K2PQ
VIN 1HGCM82633A004352
192.168.1.1
2001:0db8:85a3:0000:0000:8a2e:0370:7334
00:1A:2B:3C:4D:5E
52.5200 N, 13.4050 E
2025-03-01T10:00:00+01:00
Sat, 01 Mar 2025 10:00:00 GMT
1740823200
3.14159265358979323846
6.02214076e23
0xDEADBEEF
0x742d35Cc6634C0532925a3b844Bc454e4438f44e
#ff8800
rgba(255, 136, 0, 0.5)
v2.14.3-rc.1+build.417
numpy==2.1.3
"react": "^18.3.1"
python:3.11-slim-bookworm
linux/amd64
en-GB,en;q=0.9,de;q=0.8
Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0
text/html; charset=utf-8
Content-Type: application/json
Accept: application/vnd.github+json
Cache-Control: max-age=3600, must-revalidate
WWW-Authenticate: Bearer realm="orders"
Access-Control-Allow-Headers: Authorization, X-API-Key
SELECT id, total FROM orders WHERE state = 'open' ORDER BY created_at DESC LIMIT 20
UPDATE users SET password_changed_at = now() WHERE id = 42
ALTER TABLE users ADD COLUMN password_hash text
CREATE USER report WITH LOGIN
GRANT SELECT ON orders TO report
def total(orders): return sum(o.price for o in orders)
password = input("Password: ")
password = getpass.getpass()
api_key = os.environ["API_KEY"]
token = request.headers.get("Authorization")
secret = settings.secret_key
const token = await getToken();
if (password !== confirmation) throw new Error("passwords differ");
for key, value in items.items(): print(key, value)
export API_KEY=$API_KEY
DB_PASSWORD=${DB_PASSWORD}
password: {{ vault_db_password }}
password: <your password>
api_key: YOUR_API_KEY
api_key=...
token: null
password: ********
OPENAI_API_KEY is not set
max_tokens=4096, temperature=0.2
--max-tokens 4096 --top-p 0.9
kubectl get secrets -n shop
kubectl rollout restart deployment/api -n shop
docker run --rm -p 8080:80 nginx:1.27
git commit -m "Remove the password from the settings"
ssh ann@bastion.example.com
curl -s https://api.example.com/v1/orders | jq '.[0].id'
curl -H "Authorization: Bearer $TOKEN" https://api.example.com/
pip install langgraph langchain-openai
npm run build && npm test
tar czf backup.tar.gz /srv/data
rm -rf /tmp/sandbox/
chmod 600 ~/.ssh/id_ed25519
ls -la /etc/ssl/private
openssl genrsa -out server.key 2048
ssh-keygen -t ed25519 -C ann@example.com
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{b43} ann@laptop
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{b336} ann@laptop
-----BEGIN CERTIFICATE-----\\nMIID{b60}\\n{b64}\\n-----END CERTIFICATE-----
-----BEGIN PUBLIC KEY-----\\nMIIB{b60}\\n{b64}\\n-----END PUBLIC KEY-----
SHA256:{b43}
{"state": "open", "total": 120.5, "items": [{"sku": "4006381333931", "count": 2}]}
{"ok": true, "tokens": 902, "model": "gpt-4o-mini"}
{"type": "object", "properties": {"password": {"type": "string", "minLength": 12}}}
{"error": {"code": 401, "message": "Invalid API key"}}
[{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}]
<p class="note">Your password was changed.</p>
<input type="password" name="password" autocomplete="off">
<a href="https://example.com/login">Log in</a>
name,city,total\\nAnn,Oslo,12.50\\nBob,Rome,8.00
## Password rules\\n\\n- at least 12 characters\\n- not the name of your cat
| key | value |\\n|---|---|\\n| region | eu-central-1 |
name: deploy\\non: push\\njobs:\\n  build:\\n    runs-on: ubuntu-latest
spec:\\n  containers:\\n  - name: api\\n    image: registry.example.com/api:2.14
secretKeyRef:\\n  name: db\\n  key: password
data:image/png;base64,iVBORw0KGgo{b80}=
iVBORw0KGgo{b100}=
SGVsbG8gQW5uLCB5b3VyIG9yZGVyIGhhcyBzaGlwcGVkLg==
eyJzdGF0ZSI6ICJvcGVuIiwgInRvdGFsIjogMTIwLjV9
Lorem ipsum dolor sit amet, consectetur adipiscing elit.
ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG
MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEK
InChI=1S/C8H10N4O2/c1-10-4-9-6-5(10)7(13)12(3)8(14)11(6)2/h4H,1-3H3
CN1C=NC2=C1C(=O)N(C(=O)N2C)C
rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1
Donaudampfschifffahrtsgesellschaftskapitänsmütze
supercalifragilisticexpialidocious
getUserAuthenticationTokenProviderFactory
AbstractSingletonProxyFactoryBeanConfigurationException
MAX_CONCURRENT_CONNECTIONS_PER_HOST
this-is-a-very-long-slug-for-a-blog-post-about-secret-management
io.kubernetes.pod.terminationGracePeriodSeconds
com.example.shop.orders.OrderServiceImplementationTest
sk-learn is often written scikit-learn
pk, sk and gk are common names of columns
The hf_hub folder holds 12 files.
xoxo, Ann
re: your order of 3 March
key-value stores are fast
pat-a-cake, pat-a-cake, baker's man
AKIA is a prefix of AWS key ids.
Keys that start with sk- are secret, keys that start with pk- are not.
ghp_ is the prefix of GitHub tokens.
The JWT starts with eyJ and has three parts.
Set the header X-API-Key to your key.
Send the token as a bearer token in the Authorization header.
Usage: login --user NAME --password PASSWORD
The user's password hash uses bcrypt with cost 12.
Ask Bob for the database password.
The wifi password is on the wall.
Pass the token to the next step.
The signature is missing on page 3.
Sign here: ____________________
Her PIN was locked after three attempts.
The CVV is on the back of the card.
Security code required for payments over 30 EUR.
The code review took two days.
Recovery codes: print them and keep them safe.
One-time passwords are valid for 30 seconds.
Mnemonic: My Very Educated Mother Just Served Us Noodles
Salt and pepper to taste.
Nonce: a number used once.
Session expired, please log in again.
Access level: read only
account key: see the safe in room 12
username: ann, role: admin
login as ann and open the dashboard
user=ann&role=admin&lang=de
state=open&limit=20&cursor={a12}
cursor: {b32}==
page 3 of 12, 240 rows
step=retry attempt=3 delay=2.5s request_id={u}
trace_id={x32} span_id={x16}
traceparent: 00-{x32}-{x16}-01
level=info msg="token refreshed" user=ann
2025-03-01 10:00:00,123 INFO auth: token of user ann was refreshed
[2025-03-01 10:00:00] "GET /v1/orders?limit=20 HTTP/1.1" 200 5120
Traceback (most recent call last): KeyError: 'password'
KeyError: 'api_key'
ValueError: token must not be empty
PermissionError: secret key is required
""".strip().split("\n")
"""Texts of everyday work, some with the words of the trade, that hold no credential. `\\\\n` is a line break; holes are as in FORMATS."""


def ordinary_texts() -> list[str]:
    return [_fill(line).replace("\\n", "\n") for line in ORDINARY]


def _fill(line: str) -> str:
    """A line with its holes filled; braces that are no holes stay."""
    return build(line, line.replace("|", "\0")).text.replace("\0", "|")
