"""File names that mark a file as private: secrets, copies of them, and files that editors keep.

Every kind has a line in docs/withheld.md. A word such as `credentials` in the name of source code or of a document does
not make it a secret; the name of a private key does, wherever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

SECRET, COPY, EDITORS = "named like a secret", "named like a copy of a secret", "an editor's own file"
COPY_DEPTH = 4  # endings of copies of copies

STAGE = (
    r"(?:prod(?:uction)?|stag(?:e|ing)|dev(?:el(?:op(?:ment)?)?)?|test(?:ing)?|local|live|qa|uat|ci|preview|private)"
)
WORD = r"(?:secrets?|credentials?)"
ENDS_OF_DATA = (
    r"\.(?:json|ya?ml|toml|ini|cfg|conf(?:ig)?|properties|xml|csv|tsv|plist|env|enc|db|sqlite3?|b64|dat|bin|pickle|pkl)"
)
ENDS_OF_CODE = r"""\.(?:pyi?|[cm]?[jt]sx?|java|kts?|groovy|scala|go|rs|rb|php|c|h|cc|cpp|cxx|hh|hpp|hxx|cs|fs|vb|swift
    |mm?|dart|zig|nim|clj[cs]?|edn|exs?|erl|hrl|hs|elm|mli?|lua|pl|pm|r|jl|sql|coffee|proto|graphql|tf|hcl|nix|bzl|cmake
    |rego|vue|svelte|astro|css|scss|sass|less|html?|j2|erb|ejs|hbs|mustache|tm?pl|ipynb|snap|diff|patch|feature
    |el|cr|sol|gleam|[hl]?eex|gradle|bicep|(?:j|lib)sonnet|cue|rkt|li?sp|scm|pyx|pxd|f\d\d|svh?|vhdl?|thrift|resx|pot?
    |strings|xaml|qml|slim|haml|twig|liquid|cshtml|razor|aspx|jsp|spec|robot|bats|mk|map|ad[bs]|pas|tcl|awk|yara
    |md|mdx|rst|adoc|tex|org|pdf|svg|png|jpe?g|gif|webp)"""
ENDS_OF_EITHER = r"\.(?:txt|sh|bash|zsh|fish|ps1|bat|cmd)"

ENVIRONMENTS = rf"""
      \.env \d* (?: [._-].* )?                          # .env, .env.local, .env_prod
    | .*\.env (?: [._-] {STAGE} )*                      # prod.env, app.env.local
    | env [._-] {STAGE} (?: [._-].* )? (?<! env.test\.sh )     # env.production
    | env (?: ~ | \. (?: bak | bk | old | orig | backup | saved? ) \d* ) | {STAGE} [._-] env
    | \.envrc (?: \..* )? | \.dev\.vars (?: \..* )?
"""
WORDS = rf"""
      \.? {WORD} (?: [._-].* )? (?<! \.txt | .\.sh ) (?<! \.bash | \.fish ) (?<! \.zsh | \.ps1 | \.bat | \.cmd )
    | \.? (?: {WORD} | passwords? | passwd | logins? ) (?: [._-] {STAGE} )? (?: {ENDS_OF_EITHER} | {ENDS_OF_DATA} )?
    | .* [._-] {WORD} (?: [._-].* )? {ENDS_OF_DATA}     # client_secret_12.json
    | .* (?: [._-] (?: secrets | credentials ) | [._] secret )     # aws_credentials, jwt.secret
    | .* credentials {ENDS_OF_DATA}                     # awsCredentials.json
    | (?: .* [._-] )? service [._-]? accounts? (?: [._-].* )? \.json
    | (?: .* [._-] )? (?: access | auth | api | refresh | bearer | deploy | bot | personal ) [._-]? (?: token | key ) s?
      (?: {ENDS_OF_EITHER} | {ENDS_OF_DATA} )?
    | (?: access | root ) [._-]? keys? \.csv            # as AWS offers them
    | (?: .* [._-] )? (?: gh | github | gl | gitlab | hf | huggingface | npm | pypi | slack | jwt | vault )
      [._-]? tokens? (?: \.txt | {ENDS_OF_DATA} )? | \. .* [._-] token
    | (?: .* [._-] )? (?: ssh | rsa | private | signing | encryption | gcp | age ) [._-]? keys?
      (?: \.txt | {ENDS_OF_DATA} )?
    | .* service [._-]? account [._-]? key {ENDS_OF_DATA}
    | (?: recovery | backup ) [._-]? codes? .* \.txt
    | id_ (?: rsa | dsa | ecdsa | ed25519 ) [._-] (?! (?: .*\. )? pub\b ) .*      # one for each place: id_rsa_github
    | [._] (?: netrc | npmrc | pypirc | pgpass | git-credentials | my\.cnf ) [._-] .*
    | kubeconfig (?: .* (?<! \.sh ) )? | .*[._-]kubeconfig (?: \..* (?<! \.sh ) )?
    | secring\..* | krb5cc.* | vault[-_]pass (?: word )? (?: \..* )?
"""
KEYS = r"""
      .* \. (?: pem | key | p8 | pk8 | p12 | pfx | pkcs12 | jks | keystore | kdbx? | ppk | keytab | agekey | ovpn
           | priv | jceks | bks | keychain (?: -db )? | psafe3 )
    | id_ (?: rsa | dsa | ecdsa | ed25519 ) (?: _sk )? (?: [._-] .* \. (?: org | pl ) )?     # id_rsa_gnome.org
    | .* _ (?: rsa | dsa | ecdsa | ed25519 )            # deploy_ed25519
    | (?: ssh_host_.* | deploy | private | priv | signing | master | secret | encryption ) [._-]? key
    | (?: .* [._-] )? priv (?: ate )? [._-]? (?: key )? \. (?: asc | gpg | pgp | der | txt | json )
    | wg\d+\.conf | \.vault[-_]pass (?: word )? .*
    | \. (?: ssh | gnupg | aws | kube | docker | azure | password-store ) [\w-]*
      \. (?: t[gbx]z2? | tar (?: \.\w+ )? | zip | 7z | rar )
"""
NOUN = r"(?: .* _ )? (?: orders? | users? | prices? | versions? | releases? | chat | status | stock | payments? )"
TOOLS = rf"""
      [._]netrc | \.?pgpass (?: \.conf )? | \.pypirc | \.htpasswd | \.git-credentials | \.my\.cnf | \.mylogin\.cnf
    | \.npmrc | \.dockercfg | \.?dockerconfig\.?json | \.vault-token
    | \.s3cfg | \.boto | \.passwd-s3fs | \.terraformrc | terraform\.rc | \.sentryclirc | \.clasprc\.json
    | \.renviron (?: \..* )? | pip \. (?: conf | ini ) | \.authinfo | \.msmtprc | \.fetchmailrc | \.smbcredentials
    | \.?pg_service\.conf | \.gitcookies | \.databrickscfg | sftp-config.*\.json | wpa_supplicant.*\.conf
    | (?: key | keystore ) \. properties
    | rclone\.conf | kaggle\.json | ngrok\.yml | \.token | token \. (?: json | pickle | txt )
    | .* firebase-adminsdk .* \.json | msal_token_cache\..* | accesstokens\.json | wp-config\.php
    | .*\.tfvars (?: \.json )? | .*\.tfstate (?: \..* )? | .*\.tfplan | tfplan
    | (?! {NOUN} _history ) .*_history | \..*[-_]?history | \.histfile | \.lesshst | \.viminf[a-z] (?: \.tmp )?
    | \.netrwhist
"""
PLACES = r"""
      (?: .*/ )? (?: \.secrets | \.ssh | \.gnupg | \.password-store | \.kube | \.terraform\.d | \.envs ) / .*
    | (?: .*/ )? (?: \.oci | \.azure | \.config/gcloud | \.config/glab-cli | \.aws/sso | \.aws/cli ) / .*
    | (?: .*/ )? \.subversion/auth / .*
    | (?: .*/ )? (?: \.docker/config\.json | \.aws/config | \.m2/settings.*\.xml | \.gradle/gradle\.properties )
    | (?: .*/ )? (?: \.composer/auth\.json | containers/auth\.json | \.config/gh/hosts\.yml | \.huggingface/token )
    | (?: .*/ )? (?: \.vscode/sftp\.json | \.idea/dataSources\.local\.xml | \.codex/auth\.json | sops/age/keys\.txt )
    | (?: .*/ )? secrets / [^/.]+ (?: \.txt )?          # as Docker Compose has them
    | auth\.json                                        # Composer's, at the top
"""

FLAGS = re.VERBOSE | re.IGNORECASE | re.DOTALL
NAMED = re.compile("|".join([KEYS, TOOLS]), FLAGS)
WORDED = re.compile("|".join([ENVIRONMENTS, WORDS]), FLAGS)
PLACED = re.compile(PLACES, FLAGS)
CODE = re.compile(rf"(?! \.env (?! \.d\.ts ) ) .* {ENDS_OF_CODE}", FLAGS)
EXAMPLE = re.compile(
    rf"""
      .* [._-] (?: examples? | sample | template | dist | defaults | schema ) (?: {ENDS_OF_DATA} )?
    | (?: example | sample | template ) [._-] .*
    | \.secrets\.baseline                               # hashes, made to be committed
    | (?: .* [._-] )? (?: external | sealed ) [._-]? secrets? (?: [._-].* )? \.ya?ml     # what Kubernetes commits
    """,
    FLAGS,
)
# Translations, test records and charts about secrets; only these bare words.
ABOUT = re.compile(
    rf"""
      (?! \. | .*/\. ) (?:                              # a tool's own folder is another matter
      (?: .*/ )? (?: i18n | l10n | locales? | lang | translations ) / (?: .*/ )?
      (?: {WORD} | passwords? | passwd | logins? ) \. (?: json | ya?ml | toml | xml | properties )
    | (?: .*/ )? fixtures / (?: .*/ )? (?: {WORD} | passwords? | passwd | logins? ) \. ya?ml
    | (?: .*/ )? templates / (?: .*/ )? (?: .*- )? secrets? \. ya?ml )
    """,
    FLAGS,
)

ADDED = r"""
      ~ | - | ,v | \.~\d+ | \.sw[a-z] | \.kate-swp | \.un~
    | [._-] (?: bak | backup | bkp? | old | orig | original | saved? | copy | prev | previous | new | disabled ) \d*
    | [._-] te?mp [._-]? [\w-]*
    | \. (?: asc | gpg | pgp | age | enc | crypt | b64 | base64 | txt | [gx]z | bz2 | zst | zip | 7z | rar | tar | tgz )
    | \. (?: dpkg-\w+ | rpm (?:save|new|orig) | pac (?:save|new|orig) | rej | lock )
    | \. (?: part (?: ial )? | crdownload | opdownload | download | filepart | aria2 )
    | [._-] \d+ | _ (?: local | remote | base | backup ) _\d+ | \.sync-conflict-[\w-]+
    | [._-] \d{4} [._-]? \d\d [._-]? \d\d (?: [._-]? [\dT:_.-]+ )?
    | \. (?-i: (?= \w* [A-Z\d] ) (?: \w{6} | \w{8} ) )     # rsync, mkstemp, aws
"""
COPIES = [
    re.compile(pattern, FLAGS)
    for pattern in (
        rf"(.+) (?= [~,._-] ) (?: {ADDED} )",
        r"(.+?) [._-]? ___jb_\w+___",
        r"\# (.+) \# | \.\# (.+) | ~\$ (.+) | % (.+) % | \.~lock\. (.+) \#",
        r"% (?: [^%]*% )* ([^%]+) | \.unison\. (.+) \. \w+ \.unison\.tmp",
        r"(?: copy\ of | kopie\ von | copie\ de | copia\ de | backup[\ _-]of | old | backup | bak ) [\ ._-]+ (.+)",
        r"(.+?) (?= [\ (] ) (?: (?: \ - )? \ (?: copy | [ck]opi[ae]? | cópia ) | \ ?\([^()]*\) | \ \d+ )"
        r"(?: \ \d+ | \ \(\d+\) )? (\.\w+)?",
        r"(.+) (?: _ (?: local | remote | base | backup ) _\d+ | \.sync-conflict-[\w-]+ ) (\.\w+)",
    )
]

EDITOR = re.compile(
    r"""
      4913 | .+~ | \#.*\# | \.\#.* | ~\$.*                            # vim's test of a folder, backups, locks, Office
    | [._].*\.sw[a-z] | \.sw[a-p] | .*\.kate-swp | .*\.crswap          # vim, Kate, Chrome
    | .*___jb_\w+___ | \.goutputstream-.* | \.~lock\..*\# | ~.*\.tmp   # JetBrains, GNOME, LibreOffice, Word
    | .*\.sb-[0-9a-f]{8}-\w{6} | \..*\.kak\.\w{6} | .*\.vsctmp         # macOS, Kakoune, Visual Studio Code
    | \.nfs[0-9a-f]{8,} | \.fuse_hidden[0-9a-f]+ | DEADJOE             # deleted, and still open
    | \.~.+\.ipynb | .*\.blend\d+ | flycheck_.+ | .*_flymake\.\w+        # Jupyter, Blender, Emacs
    | .+\.\w+\.save (?: \.\d+ )? | \.DS_Store | Thumbs\.db              # nano, the systems' file managers
    """,
    FLAGS,
)
EDITORS_FOLDER = re.compile(r"(?: .*/ )? \.ipynb_checkpoints / .*", FLAGS)


@lru_cache(maxsize=65536)
def why_private(path: str) -> str | None:
    """Return why an uncommitted path should stay on this machine, judging by its name alone; None if it may leave."""
    path = _as_read(path)
    if _is_named_secret(path):
        return SECRET
    if _is_copy(path):
        return COPY
    return EDITORS if EDITOR.fullmatch(path.rpartition("/")[2]) or EDITORS_FOLDER.fullmatch(path) else None


def is_secret(path: str) -> bool:
    """Return whether a path is named like keys, keystores and files with passwords, or like a copy of one."""
    return why_private(path) in (SECRET, COPY)


def _as_read(path: str) -> str:
    """Return a path without invisible characters, and without spaces around the name."""
    seen = path if path.isprintable() else "".join(filter(str.isprintable, path))
    folder, slash, name = seen.rpartition("/")
    return folder + slash + name.strip()


def _is_named_secret(path: str) -> bool:
    name = path.rpartition("/")[2]
    if name.lower().endswith(".pub"):
        return False
    if NAMED.fullmatch(name) or PLACED.fullmatch(path):
        return True
    if not WORDED.fullmatch(name) or any(CODE.fullmatch(one) for one in (name, *_originals(name))):
        return False
    if ABOUT.fullmatch(path) or path.startswith(".github/"):  # its workflows look for secrets
        return False
    return not EXAMPLE.fullmatch(name)


def _is_copy(path: str) -> bool:
    """Return whether the name is a secret's with an addition: an editor's copy, a backup, an archive."""
    folder, slash, name = path.rpartition("/")
    if EXAMPLE.fullmatch(name):
        return False
    names, seen = {name}, {name}
    for _ in range(COPY_DEPTH):
        names = {original for copy in names for original in _originals(copy)} - seen
        seen |= names
        if any(_is_named_secret(folder + slash + original) for original in names):
            return True
    return False


def _originals(name: str) -> Iterator[str]:
    """Yield the names that a file may be a copy of; editors hide some copies with a leading dot."""
    for pattern in COPIES:
        found = pattern.fullmatch(name)
        if found is not None:
            original = "".join(group for group in found.groups() if group)
            yield original
            if name.startswith(".") and original.startswith("."):
                yield original[1:]
