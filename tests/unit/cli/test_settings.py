"""Flag, then environment, then config file, then default."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.cli import settings
from imgfetch.errors import UsageError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "IMGFETCH_STORE", "IMGFETCH_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return str(path)


def test_the_order_is_flag_environment_file_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(tmp_path, 'store = "/file"\nretries = 9\n')
    assert settings.load({}, path)["store"] == settings.Sourced("/file", path)
    monkeypatch.setenv("IMGFETCH_STORE", "/environment")
    assert settings.load({}, path)["store"] == settings.Sourced("/environment", "IMGFETCH_STORE")
    sourced = settings.load({"store": "/flag"}, path)
    assert sourced["store"] == settings.Sourced("/flag", "flag")
    assert sourced["retries"] == settings.Sourced(9, path)
    assert sourced["jobs"] == settings.Sourced(4, "default")


def test_the_users_own_config_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".config" / "imgfetch").mkdir(parents=True)
    (tmp_path / ".config" / "imgfetch" / "config.toml").write_text("offline = true\n")
    assert settings.load({}, None)["offline"].value is True
    monkeypatch.setenv("IMGFETCH_OFFLINE", "0")
    assert settings.load({}, None)["offline"].value is False


@pytest.mark.parametrize("value", ["1", "true", "Yes", "on"])
def test_offline_by_environment(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("IMGFETCH_OFFLINE", value)
    assert settings.build(settings.load({}, None)).offline is True


@pytest.mark.parametrize(
    "text",
    [
        "store = 1",
        "retries = true",
        "offline = 'maybe'",
        "plain_http = [1]",
        "token_hosts = 'a=b'",
        "token_hosts = ['a']",
        "token_hosts = ['=b']",
        "token_hosts = [1]",
        "store = ''",
        "platform = 1",
    ],
)
def test_unusable_values_name_the_setting(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=text.partition(" ")[0]):
        settings.load({}, config(tmp_path, text))


@pytest.mark.parametrize("text", ["nonsense = 1", "not toml", "a = '\xff"])
def test_an_unusable_config_file_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"config\.toml"):
        settings.load({}, config(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# a\n\nnonsense = 1", r"config\.toml, line 3: unknown setting"),
        ("a = 1\n[[b]\n", r"at line 2"),
        ("offline = true\njobs = 1000\n", r"jobs \(.*config\.toml, line 2\)"),
    ],
)
def test_the_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings.load({}, config(tmp_path, text))


def test_faults_can_be_had_in_place_of_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is unusable counts as not being there, and all the rest is as it was."""
    path = config(tmp_path, 'retries = "x"\njobs = 3\n')
    monkeypatch.setenv("IMGFETCH_NETWORK", "odd")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    faults: list[UsageError] = []
    sourced = settings.load({}, path, faults)
    assert [fault.message.split()[1].rstrip(":") for fault in faults[:2]] == ["network", "retries"]
    assert "nowhere to keep images" in faults[2].message
    assert sourced["jobs"].value == 3
    assert sourced["network"] == settings.Sourced("auto", "default")
    assert sourced["retries"] == settings.Sourced(3, "default")
    assert settings.build(sourced).store == "/nonexistent/imgfetch"
    broken: list[UsageError] = []
    assert settings.load({"jobs": 2}, config(tmp_path, "["), broken)["jobs"].value == 2
    assert len(broken) == 3


def test_a_config_file_that_was_asked_for_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        settings.load({}, str(tmp_path / "none.toml"))


def test_an_ordinary_users_store_is_in_their_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert settings.load({}, None)["store"].value == f"{tmp_path}/.local/share/imgfetch"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert settings.load({}, None)["store"].value == "/data/imgfetch"


def test_without_a_home_a_store_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """R107."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "")
    with pytest.raises(UsageError) as caught:
        settings.load({}, None)
    assert caught.value.hint is not None
    assert "--store" in caught.value.hint


def test_roots_store_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert settings.load({}, None)["store"].value == "/var/lib/imgfetch"


def test_lists_are_parted_by_colons_in_the_environment_and_in_files(tmp_path: Path) -> None:
    path = config(tmp_path, 'plain_http = "a.test::b.test"\n')
    assert settings.load({}, path)["plain_http"].value == ("a.test", "b.test")
