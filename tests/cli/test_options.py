import argparse
from dataclasses import dataclass

import pytest

from mnistlib import JobError, SweepJob, TrainJob
from mnistlib.backends.spec import BackendSpec, Connection, specs
from mnistlib.cli import options as options_of_backends
from mnistlib.cli.options import Tags, add_options, backend_options, given_options
from mnistlib.cli.parser import make_parser
from mnistlib.options import option, options_in, share
from tests.cli.test_cli import run


@dataclass(frozen=True)
class Oven:
    heat: float = option(200.0, "degrees Celsius", metavar="DEGREES")
    max_racks: int | None = option(None, "racks in use")
    fan: bool = option(False, "circulate the air")
    light: bool = option(True, "leave it dark", flag="--no-light")


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser, Oven)
    return parser.parse_args(words)


def test_a_field_is_a_flag_of_its_name_and_type() -> None:
    given = parsed("--heat", "180", "--max-racks", "2", "--fan", "--no-light")
    assert given_options(given, Oven) == {"heat": 180.0, "max_racks": 2, "fan": True, "light": False}


def test_the_class_alone_knows_its_defaults() -> None:
    assert given_options(parsed(), Oven) == {}


def test_the_help_is_that_of_the_field() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Oven, without=["fan"])
    text = parser.format_help()
    assert "--heat DEGREES" in text
    assert "degrees Celsius" in text
    assert "circulate" not in text


@pytest.mark.parametrize(("command", "cls"), [("train", TrainJob), ("sweep", TrainJob), ("sweep", SweepJob)])
def test_each_option_of_a_job_is_one_of_its_command(command: str, cls: type) -> None:
    (commands,) = make_parser([command])._subparsers._group_actions  # type: ignore[union-attr]
    flags = commands.choices[command]._option_string_actions  # type: ignore[index]
    for field, described in options_in(cls):
        assert (described.flag or f"--{field.name.replace('_', '-')}") in flags


def test_tags_are_collected_by_key() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tag", dest="tags", action=Tags, default={})
    assert parser.parse_args(["--tag", "a=b=c", "--tag", "d="]).tags == {"a": "b=c", "d": ""}
    assert parser.parse_args([]).tags == {}


@pytest.mark.parametrize("tags", [["foo"], ["=foo"], ["a=1", "a=2"]])
@pytest.mark.parametrize("command", [["train"], ["register", "run", "name"]], ids=["train", "register"])
def test_a_tag_without_a_value_or_twice_is_wrong_usage(command: list[str], tags: list[str]) -> None:
    words = [word for tag in tags for word in ("--tag", tag)]
    done = run(*command, *words, check=False)
    assert done.returncode == 2
    assert "--tag must be KEY=VALUE, each key once" in done.stderr


def test_the_command_line_has_the_options_of_all_backends() -> None:
    shown = run("deploy", "--help").stdout
    for flag in ("--runs FOLDER", "--config FILE", "--port N", "--cpu-cores N", "--no-auth", "--instance-type SIZE"):
        assert flag in shown
    assert "backend of the runs: local, azureml, azureml-v2" in " ".join(shown.split())


@pytest.mark.parametrize(("old", "name"), [("--most-bytes", "max_body_bytes"), ("--most-waiting", "max_waiting")])
def test_the_former_name_of_an_option_of_serve_is_accepted(old: str, name: str) -> None:
    parser = make_parser(["serve"])
    assert getattr(parser.parse_args(["serve", "digits", old, "7"]), name) == 7
    assert getattr(parser.parse_args(["serve", "digits"]), name) > 7


def test_the_former_names_of_options_of_serve_are_hidden_from_the_help() -> None:
    shown = run("serve", "--help").stdout
    assert "--most" not in shown
    assert "--max-body-bytes N" in shown
    assert "--max-waiting N" in shown


@pytest.mark.parametrize(
    ("words", "flag"),
    [(["deploy", "m", "--cpu-cores", "2"], "--cpu-cores"), (["runs", "list", "--config", "x"], "--config")],
)
def test_an_option_of_another_backend_is_wrong_usage(words: list[str], flag: str) -> None:
    done = run(*words, "--backend", "local", check=False)
    assert done.returncode == 2
    assert f"{flag} is not supported by this backend, local: leave it out, or name another --backend" in done.stderr


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_an_option_of_a_backend_is_checked(port: str) -> None:
    done = run("deploy", "digits", "--port", port, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_an_option_in_front_of_the_command_hides_none_of_its_options() -> None:
    done = run("--nosuch", "train", "--limit", "5", check=False)
    assert done.returncode == 2
    assert "unrecognized arguments: --nosuch\n" in done.stderr


@dataclass(frozen=True, kw_only=True)
class OvenConnection(Connection):
    share: float = option(0.5, "share of the heat, at most 100% of it", check=share)
    json: str | None = option(None, "an option with the flag of a command")


@pytest.fixture
def oven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend whose options are awkward."""
    spec = BackendSpec(name="oven", backend="mnistlib.backends.local:LocalBackend", connection=OvenConnection)
    known = {**specs(), "oven": spec}
    monkeypatch.setattr(options_of_backends, "specs", lambda: known)
    monkeypatch.setattr(options_of_backends, "spec_of", known.__getitem__)


@pytest.mark.usefixtures("oven")
def test_a_percent_sign_in_a_help_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_parser(["train"]).parse_args(["train", "--help"])
    assert "at most 100% of it" in capsys.readouterr().out


@pytest.mark.usefixtures("oven")
def test_a_flag_of_the_command_itself_is_not_replaced(caplog: pytest.LogCaptureFixture) -> None:
    assert make_parser(["train"]).parse_args(["train", "--json"]).json is True
    assert "the option json of oven is left out of this command" in caplog.text


@pytest.mark.usefixtures("oven")
@pytest.mark.parametrize("words", [["train"], ["train", "--json"]])
def test_a_flag_of_the_command_itself_is_not_an_option_of_a_backend(words: list[str]) -> None:
    given = make_parser(["train"]).parse_args([*words, "--backend", "local"])
    assert backend_options(given, "connection") == {}


@pytest.mark.usefixtures("oven")
@pytest.mark.parametrize("command", [["train"], ["runs", "list"]])
def test_the_value_of_a_backends_option_is_checked(command: list[str]) -> None:
    given = make_parser(command).parse_args([*command, "--backend", "oven", "--share", "2"])
    with pytest.raises(JobError, match="share must be a number from 0 to below 1, not 2"):
        backend_options(given, "connection")


@pytest.mark.usefixtures("oven")
def test_an_option_of_another_backend_is_an_error_with_the_name_of_the_chosen_one() -> None:
    given = make_parser(["train"]).parse_args(["train", "--share", "0.2", "--backend", "local"])
    with pytest.raises(JobError, match="--share is not supported by this backend, local"):
        backend_options(given, "connection")
