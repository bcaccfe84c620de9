"""Secrets that nobody has: in the right shape, with characters that a seed makes, so that none is written down here."""

from __future__ import annotations

import base64
import hashlib
import random
import string

WORDS = string.ascii_letters + string.digits
HEX, UPPER, DIGITS = "0123456789abcdef", string.ascii_uppercase + string.digits, string.digits
BASE32 = string.ascii_uppercase + "234567"


def drawn(length: int, seed: str, letters: str = WORDS) -> str:
    """Return characters that look random, always the same ones for a seed."""
    return "".join(random.Random(seed).choices(letters, k=length))


def body(seed: str, lines: int = 6) -> str:
    """Return the text of a private key."""
    raw = b"".join(hashlib.sha512(f"{seed}{number}".encode()).digest() for number in range(lines))
    return "\n".join(base64.b64encode(raw[at : at + 48]).decode() for at in range(0, len(raw), 48))


def armoured(kind: str, seed: str, header: str = "") -> str:
    """Return a private key as files have it."""
    return f"-----BEGIN {kind}-----\n{header}{body(seed)}\n-----END {kind}-----\n"


def url(scheme: str, host: str, seed: str) -> str:
    """Return an address with a password in it."""
    return f"{scheme}://deploy:{drawn(16, seed)}@{host}"


ACCESS_KEY = "AK" + "IA" + drawn(16, "aws", BASE32)
JWT = f"{'ey'}J{drawn(20, 'head')}.{'ey'}J{drawn(60, 'claims')}.{drawn(43, 'signed')}"

# By the name of the file, which says nothing: what is in it.
CONTENTS: dict[str, str] = {
    "notes.txt": armoured("RSA PRIVATE KEY", "rsa"),
    "doc/setup.md": "Use this key:\n\n" + armoured("OPENSSH PRIVATE KEY", "openssh"),
    "src/keys.py": f'KEY = """{armoured("EC PRIVATE KEY", "ec")}"""\n',
    "src/inline.js": "const key = " + repr(armoured("PRIVATE KEY", "pkcs8")) + ";\n",
    "encrypted.txt": armoured("ENCRYPTED PRIVATE KEY", "encrypted"),
    "old.txt": armoured("RSA PRIVATE KEY", "old", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,8A27FE9C0B1D\n\n"),
    "backup/armour": armoured("PGP PRIVATE KEY BLOCK", "pgp", "Version: GnuPG v2\nComment: mine\n\n"),
    "putty": "PuTTY-User-Key-File-2: ssh-rsa\nPublic-Lines: 0\nPrivate-Lines: 6\n" + body("putty"),
    "config/service": '{"type": "service_account", "private_key": '
    + repr(armoured("PRIVATE KEY", "google"))[1:-1]
    + "}",
    "cluster": f"users:\n- user:\n    client-key-data: {drawn(200, 'kube')}\n",
    "age.txt": f"# created\nAGE-SECRET-KEY-1{drawn(58, 'age', UPPER)}\n",
    "deploy.sh": f"export AWS_ACCESS_KEY_ID={ACCESS_KEY}\nexport AWS_SECRET_KEY={drawn(40, 'secret')}\n",
    "src/aws.ts": f"new S3({{ secretAccessKey: '{drawn(40, 'secret2')}' }})\n",
    "src/github.py": f"TOKEN = 'gh{'p'}_{drawn(36, 'ghp')}'\n",
    "src/app.go": f'token := "gh{"s"}_{drawn(36, "ghs")}"\n',
    "fine.rb": f"token = 'git{'hub'}_pat_{drawn(22, 'pat')}_{drawn(59, 'pat2')}'\n",
    "ci.yml": f"token: gl{'pat'}-{drawn(20, 'gitlab')}\n",
    "bot.py": f"client('xox{'b'}-{drawn(12, '1', DIGITS)}-{drawn(12, '2', DIGITS)}-{drawn(24, 'slack')}')\n",
    "hook.ts": f"post('https://hooks.slack.com/{'services'}/T{drawn(8, 't')}/B{drawn(8, 'b')}/{drawn(24, 'w')}')\n",
    "pay.py": f"stripe.api_key = 'sk_{'live'}_{drawn(24, 'stripe')}'\n",
    "restricted.js": f"const k = 'rk_{'live'}_{drawn(24, 'restricted')}'\n",
    "map.html": f"<script src='maps?key=AI{'za'}{drawn(35, 'maps')}'></script>\n",
    "oauth.php": f"$secret = 'GOC{'SPX'}-{drawn(28, 'oauth')}';\n",
    "llm.py": f"openai.api_key = 'sk-{'proj'}-{drawn(64, 'openai')}'\n",
    "older.py": f"openai.api_key = 's{'k'}-{drawn(48, 'openai2')}'\n",
    "claude.rs": f'let key = "sk-{"ant"}-api03-{drawn(90, "anthropic")}";\n',
    "publish.sh": f"npm config set token npm{'_'}{drawn(36, 'npm')}\n",
    "registry": f"//registry.npmjs.org/:_auth{'Token'}={drawn(36, 'registry')}\n",
    "upload.sh": f"twine -p pypi-{'AgE'}IcHlwaS5vcmc{drawn(80, 'pypi')}\n",
    "gem.sh": f"rubygems{'_'}{drawn(48, 'gem', HEX)}\n",
    "image.sh": f"docker login -p dckr_{'pat'}_{drawn(27, 'docker')}\n",
    "logins.txt": f'{{"auths": {{"ghcr.io": {{"auth": "{drawn(48, "auth")}"}}}}}}\n',
    "sms.py": f"twilio = Client('S{'K'}{drawn(32, 'twilio', HEX)}')\n",
    "mail.py": f"key = 'S{'G'}.{drawn(22, 'grid')}.{drawn(43, 'grid2')}'\n",
    "blob.cs": f'var c = "AccountName=x;Account{"Key"}={drawn(86, "azure")}==";\n',
    "bus.cs": f'var c = "Endpoint=sb://x;SharedAccess{"Key"}={drawn(43, "bus")}=";\n',
    "test.http": f"Authorization: Bearer {JWT}\n",
    "chat.js": f"discord.login('M{drawn(23, 'd1')}.{drawn(6, 'd2')}.{drawn(30, 'd3')}')\n",
    "telegram.py": f"Bot('{drawn(10, 't1', DIGITS)}:A{'A'}{drawn(33, 't2')}')\n",
    "droplet.tf": f'token = "dop_{"v1"}_{drawn(64, "do", HEX)}"\n',
    "shop.rb": f"token = 'shp{'at'}_{drawn(32, 'shop', HEX)}'\n",
    "spark.py": f"token = 'da{'pi'}{drawn(32, 'spark', HEX)}'\n",
    "model.py": f"login('hf{'_'}{drawn(34, 'hf')}')\n",
    "vault.sh": f"export VAULT_TOKEN=hv{'s'}.{drawn(90, 'vault')}\n",
    "atlas.tf": f'token = "{drawn(14, "tf")}.atlas{"v1"}.{drawn(67, "tf2")}"\n',
    "database.yml": f"url: {url('postgres', 'db.prod.acme.io:5432/app', 'pg')}\n",
    "settings.toml": f'broker = "{url("amqps", "mq.acme.io", "mq")}"\n',
}

# What is withheld by its name.
NAMES = [
    *(".env", "prod.env", ".env~", "#.env#", ".envrc", "id_rsa", "id_ed25519.bak", "deploy_key", "server.key"),
    *(".server.key.swp", "server.key~", "server.key.old", "server.key.tmp", ".netrc", "_netrc", ".npmrc", ".pypirc"),
    *(".my.cnf", ".pgpass", ".git-credentials", ".docker/config.json", ".dockercfg", "kubeconfig", ".kube/config"),
    *("terraform.tfstate", "prod.tfvars", "service-account.json", "credentials.json", ".aws/credentials"),
    *("wp-config.php", "secrets.yml", ".vault-token", ".bash_history", ".secrets/token", "master.key", ".htpasswd"),
    *("vault.kdbx", "release.jks", "Copy of id_rsa", "id_rsa (1)", "id_rsa.sync-conflict-20240101", "tls.pem.gpg"),
]
