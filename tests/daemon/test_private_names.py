"""What is named like a secret, like a copy of one, or like an editor's own file stays at home; source code does not."""

from __future__ import annotations

import time

import pytest
from bough_daemon.private_names import COPY, EDITORS, SECRET, is_secret, why_private

SECRETS = """
.env a/.env.local .ENV.production .env-prod prod.env dev.env.local env.production .envrc .dev.vars server.key
k/cert.PEM id_ed25519 id_ed25519_sk x.jks AuthKey_7.p8 github_rsa ssh_host_ed25519_key deploy_key private-key.txt
.netrc _netrc .npmrc .pgpass .htpasswd .git-credentials .my.cnf .vault-token .token token.json wp-config.php
.aws/credentials .aws/config credentials credentials.json credentials-prod.yaml awsCredentials.json aws_credentials
application_default_credentials.json client_secret_12.json api_key.txt accessKeys.csv rootkey.csv passwords.txt
.docker/config.json .dockercfg kubeconfig kubeconfig.yaml prod.kubeconfig .kube/config .config/gcloud/x.db
secrets.yml .streamlit/secrets.toml secrets.sh app-secrets.json db-secret.yaml .secrets/a/b.py
secrets/db_password.txt .ssh/config .gnupg/trustdb.gpg service-account.json my-service-account-prod.json
terraform.tfstate terraform.tfstate.backup prod.tfstate x.auto.tfvars x.tfvars.json .bash_history .psql_history
.zhistory .irb-history
""".split()

COPIES = [
    *"#.env# .#id_rsa id_rsa~ id_rsa.bak server.pem.old prod.env.bak deploy_key.orig .npmrc.save .my.cnf.1".split(),
    *".netrc.swp .credentials.json.swp .secrets.yaml.swo id_rsa.kate-swp id_rsa___jb_tmp___ x.key.~1~".split(),
    *"id_rsa.asc server.key.gpg x.pem.tar.gz .netrc.zip secrets.txt.gpg.old id_rsa.bak.gz .npmrc.3298471123".split(),
    *".netrc.AbC123 server.key.tmp.1234 .docker/config.json~ .kube~/config.bak/id_rsa.old id_rsa.20240101".split(),
    *[".npmrc copy", "id_rsa (1)", "Copy of id_rsa", "x (bob's conflicted copy 2024-01-01).pem", "x - Copy.key"],
]

TRAVELS = """
.env.example .env.sample .envrc.example env.example example.env env environment environment.yml env.py env.d.ts
env_test.go src/env.ts id_rsa.pub deploy_key.pub id_rsa.sample keys.py a.pem/readme monkey hockey.py donkey.txt
.gitignore .editorconfig credentials.py secrets.rs secrets.tf Credentials.java credentials.test.ts test_secrets.ts
docs/credentials.md credentials.svg credentials.py.orig secrets.rs.bak src/secrets/index.ts app/secrets/__init__.py
rotate-secrets.sh t/t0300-credentials.sh git-credential-cache git-credential.txt secrets.yaml.j2
secrets.example.yaml secrets.yaml.example sample_credentials.json secretary.txt .secretlintrc.json .secrets.baseline
.github/workflows/secret-scan.yml locales/en/auth.json tokens.json token.py api_key.py tokenizer.json package.json
config.json docker/config.json history.py price_history.py CHANGELOG wp-config-sample.php password_reset.html
password-policy.json KEYS.asc data.20240101 notes.bak backup.json a.1 x.tmp
""".split()

EDITORS_OWN = """
.a.txt.swp .a.txt.swo .swp 4913 a.txt~ .a.un~ .#a.txt #a.txt# a.txt___jb_tmp___ a.txt___jb_old___ .a.kate-swp
.~lock.doc.odt# ~$doc.docx .goutputstream-A1B2C3 .nfs00000000000a1b2c .fuse_hidden0000002100000001
""".split()


@pytest.mark.parametrize("path", SECRETS)
def test_secrets_are_known_by_their_names(path: str) -> None:
    assert why_private(path) == why_private(f"b/{path.upper()}") == SECRET and is_secret(path)


@pytest.mark.parametrize("path", COPIES)
def test_a_copy_of_a_secret_is_as_secret(path: str) -> None:
    assert why_private(path) in (SECRET, COPY) and is_secret(path)


@pytest.mark.parametrize("path", TRAVELS)
def test_what_only_looks_like_a_secret_travels(path: str) -> None:
    assert why_private(path) is None and not is_secret(path)


@pytest.mark.parametrize("path", EDITORS_OWN)
def test_what_an_editor_keeps_for_itself_is_known(path: str) -> None:
    assert why_private(f"ä b/{path}") == EDITORS and not is_secret(path)


@pytest.mark.parametrize("path", ["a.swf", ".svg", "49130", "#1", "~", "a~b", "x#y#", "~/x", "a#/b", ".swap", "a.sw"])
def test_what_only_looks_like_an_editors_file_travels(path: str) -> None:
    assert why_private(path) is None


@pytest.mark.parametrize(
    "name", ["a" * 4000 + "~", "a.tmp" * 800, "-secret" * 600 + "!", " copy" * 800, "." + "_" * 4000]
)
def test_no_name_takes_long_to_judge(name: str) -> None:
    started = time.process_time()
    why_private(name)
    assert time.process_time() - started < 2.0
