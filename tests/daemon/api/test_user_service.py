"""The daemon as a service of the user's session; `systemctl` is a script that writes down what it is asked."""

from __future__ import annotations

import configparser
import os
import plistlib
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from bough_daemon.api.user_service import offers_service, service_of
from bough_daemon.errors import NoServiceManager, ServiceRefused
from bough_daemon.home import Home


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A session with a `systemctl`, and odd letters in its paths."""
    programs, runtime = tmp_path / "bin", tmp_path / "run"
    programs.mkdir()
    (runtime / "systemd").mkdir(parents=True)
    asked = tmp_path / "asked"
    (programs / "systemctl").write_text(
        f'#!/bin/sh\necho "$@" >> {shlex.quote(str(asked))}\nexit ${{SYSTEMCTL_CODE:-0}}\n'
    )
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("BOUGH_HOME", str(tmp_path / 'höme "100%" $HOME'))
    return dict(os.environ)


def asked_of(tmp_path: Path) -> list[str]:
    asked = tmp_path / "asked"
    return asked.read_text().splitlines() if asked.exists() else []


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd is not there")
def test_a_unit_starts_this_bough_for_this_home(environment: dict[str, str], tmp_path: Path) -> None:
    home = Home.from_environment(environment)
    service = service_of(home, environment)
    assert not service.is_installed
    service.install()
    assert service.is_installed and service.is_current
    name = os.path.basename(service.path)
    assert asked_of(tmp_path) == ["--user daemon-reload", f"--user enable --now {name}"]
    assert name.startswith("bough-") and service.path.startswith(os.path.expanduser("~/.config/systemd/user/"))
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(service.path)
    assert shlex.split(unit["Service"]["ExecStart"])[0] == sys.executable
    assert "BOUGH_HOME=" in Path(service.path).read_text() and "100%%" in Path(service.path).read_text()
    service.remove()
    assert not service.is_installed and asked_of(tmp_path)[-1] == f"--user disable {name}"


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd is not there")
def test_what_systemd_refuses_leaves_nothing(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMCTL_CODE", "1")
    service = service_of(Home.from_environment(environment), environment)
    with pytest.raises(ServiceRefused, match="daemon-reload` failed"):
        service.install()
    assert not service.is_installed


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd is not there")
def test_a_user_is_told_of_it_once(environment: dict[str, str]) -> None:
    home = Home.from_environment(environment)
    home.make()
    assert [offers_service(home, environment) for _ in range(3)] == [True, False, False]
    (Path(home.root) / "service-offered").unlink()
    service_of(home, environment).install()
    assert not offers_service(home, environment)


@pytest.mark.skipif(sys.platform == "darwin", reason="launchd is there")
def test_without_a_service_manager_it_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    environment["XDG_RUNTIME_DIR"] = str(tmp_path)
    with pytest.raises(NoServiceManager):
        service_of(Home.from_environment(environment), environment)


def test_a_property_list_for_launchd(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    home = Home.from_environment(environment)
    service = service_of(home, environment)
    said = plistlib.loads(service.content)
    assert said["ProgramArguments"][0] == sys.executable and said["EnvironmentVariables"]["BOUGH_HOME"] == home.root
    assert service.path.endswith(f"{said['Label']}.plist")


@pytest.mark.skipif(not os.path.exists("/usr/bin/systemd-analyze"), reason="systemd-analyze is not there")
def test_systemd_takes_the_unit(environment: dict[str, str]) -> None:
    service = service_of(Home.from_environment(environment), environment)
    service.install()
    subprocess.run(["/usr/bin/systemd-analyze", "--user", "verify", service.path], check=True)
