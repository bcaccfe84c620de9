"""What is named like a secret, like a copy of one, or like an editor's own file stays at home; source code does not."""

from __future__ import annotations

import time

import pytest
from bough_daemon.privacy.private_names import COPY, EDITORS, SECRET, is_secret, why_private
from hypothesis import given
from hypothesis import strategies as st

UNSEEN = "\n\r\t\0\x1b\x7f\x85\u200b\u2028\ufeff\udcff"

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
.zhistory .irb-history x_history .order_history
id_rsa_github id_rsa-work id_ed25519-work ssh_key rsa_key ssh_private_key my_private_key a.priv a.jceks
login.keychain-db a.psafe3 serviceAccountKey.json gcp-key.json dockerconfig.json github_token .github_token .gh_token
hf_token jwt_secret jwt.secret pip.conf .authinfo .msmtprc .smbcredentials pg_service.conf .gitcookies .databrickscfg
.oci/config .config/glab-cli/config.yml .vscode/sftp.json sftp-config.json .idea/dataSources.local.xml key.properties
.codex/auth.json .Renviron.local .envs/.local/.django recovery-codes.txt age-key.txt sops/age/keys.txt
wpa_supplicant.conf env.bak env.old prod_env .npmrc.work .viminfz.tmp .ssh.tar.gz .ssh.zip .gnupg.tar.gz .aws.zip
kubeconfig-prod krb5cc_1000 secring.gpg vault_pass vault_password.txt fixtures/.env locales/prod.env fixtures/a.pem
test/fixtures/credentials env-prod.sh test/fixtures/service-account.json fixtures/client_secret.json id_rsa_gnome.org
locales/.aws/credentials.json templates/.git-credentials.yaml templates/credentials.yaml
""".split()

COPIES = [
    *"#.env# .#id_rsa id_rsa~ id_rsa.bak server.pem.old prod.env.bak deploy_key.orig .npmrc.save .my.cnf.1".split(),
    *".netrc.swp .credentials.json.swp .secrets.yaml.swo id_rsa.kate-swp id_rsa___jb_tmp___ x.key.~1~".split(),
    *"id_rsa.asc server.key.gpg x.pem.tar.gz .netrc.zip secrets.txt.gpg.old id_rsa.bak.gz .npmrc.3298471123".split(),
    *".netrc.AbC123 server.key.tmp.1234 .docker/config.json~ .kube~/config.bak/id_rsa.old id_rsa.20240101".split(),
    *"id_rsa_LOCAL_1234 id_rsa_BACKUP_12 .netrc_REMOTE_1 id_rsa_BASE_1 credentials_BASE_1.json id_rsa.bk".split(),
    *"server.key.partial a.pem.crdownload a.pem.download a.pem.filepart a.pem.aria2 server.key.6eF3a9B1".split(),
    *"id_rsa.sync-conflict-20240101-1200-ABC .unison.id_rsa.123.unison.tmp .bash_history-01234.tmp".split(),
    *"%home%u%p%.netrc.swp .netrc.lock .netrc- server.pem,v .authinfo.gpg secrets.sync-conflict-2024-A.yml".split(),
    *["id_rsa (copy)", ".netrc (copy)", "id_rsa (another copy)", "id_rsa - Kopie", "id_rsa 2", "Kopie von id_rsa"],
    *[".netrc - Kopie (2)", "id_rsa copy 2", ".env\n", ".env ", "a\nb.pem", "id_rsa\r", "a\u200b/.ne\x1btrc"],
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
password-policy.json KEYS.asc data.20240101 notes.bak backup.json a.1 x.tmp .flaskenv
kubeconfig.go kubeconfig_test.go pkg/kubeconfig/kubeconfig.ts vault_password.go vault_pass.py vault-password.md
krb5cc.go secring.go docs/kubeconfig.md get_kubeconfig.sh order_history user_history price_history i18n/login.json
locales/de/passwords.yml test/fixtures/credentials.yml external-secret.yaml sealed-secret.yaml
chart/templates/secret.yaml env-test.sh env_test.sh .env.d.ts id_rsa_test.go id_rsa.pub.old .npmrc.example
public_key.json level.save bundle.js.map secrets.js.map a.txt,v github_token.py primary_key
""".split()

EDITORS_OWN = """
.a.txt.swp .a.txt.swo .swp 4913 a.txt~ .a.un~ .#a.txt #a.txt# a.txt___jb_tmp___ a.txt___jb_old___ .a.kate-swp
.~lock.doc.odt# ~$doc.docx .goutputstream-A1B2C3 .nfs00000000000a1b2c .fuse_hidden0000002100000001
.~a.ipynb .ipynb_checkpoints/a-checkpoint.ipynb a.blend1 flycheck_a.py a.txt.save .DS_Store
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


@pytest.mark.parametrize("word", ["secrets", "credentials"])
@pytest.mark.parametrize(
    "end",
    "el cr sol gleam heex eex gradle bicep jsonnet cue rkt lisp pyx f90 sv thrift resx po strings xaml qml slim haml "
    "twig liquid cshtml razor aspx jsp spec robot bats mk js.map".split(),
)
def test_source_code_of_any_language_is_no_secret(word: str, end: str) -> None:
    assert why_private(f"{word}.{end}") is None


@given(
    st.sampled_from([*SECRETS, *COPIES]), st.lists(st.tuples(st.integers(0, 99), st.sampled_from(UNSEEN)), max_size=4)
)
def test_a_character_that_nobody_sees_lets_no_secret_out(path: str, unseen: list[tuple[int, str]]) -> None:
    for place, character in unseen:
        path = path[:place] + character + path[place:]
    assert is_secret(path) and is_secret(f"b\n/{path}\n")


@pytest.mark.parametrize("path", EDITORS_OWN)
def test_what_an_editor_keeps_for_itself_is_known(path: str) -> None:
    assert why_private(f"ä b/{path}") == EDITORS and not is_secret(path)


@pytest.mark.parametrize("path", ["a.swf", ".svg", "49130", "#1", "~", "a~b", "x#y#", "~/x", "a#/b", ".swap", "a.sw"])
def test_what_only_looks_like_an_editors_file_travels(path: str) -> None:
    assert why_private(path) is None


@pytest.mark.parametrize(
    "name",
    [
        "a" * 4000 + "~",
        "a.tmp" * 800,
        "-secret" * 600 + "!",
        " (" * 2000,
        "%a" * 2000,
        "_local_1" * 500,
        "_token" * 600 + "!",
        "/templates" * 400 + "!",
        " copy" * 800,
        "." + "_" * 4000,
    ],
)
def test_no_name_takes_long_to_judge(name: str) -> None:
    started = time.process_time()
    why_private(name)
    assert time.process_time() - started < 2.0
