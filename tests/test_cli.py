"""The command: what is wrong is told in one sentence, before anything is written; nobody sees a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bot import failures
from tests.command import DOMAIN, EXAMPLES, ROOT, SECONDS, Ended, Frontdesk, environment, ran, write_project

HEAVY = {"torch", "transformers", "sentence_transformers", "sqlalchemy", "aiohttp", "redis", "rasa_sdk", "rich.console"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command would write; not there yet."""
    for name in [name for name in os.environ if name.startswith(("FRONTDESK_", "REDIS_", "DATABASE_", "ACTION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRONTDESK_PORT", "0")
    return tmp_path / "home"


@pytest.fixture
def frontdesk(home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Frontdesk:
    return Frontdesk(monkeypatch, capfdbinary)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_project(tmp_path / "project")
    monkeypatch.setenv("FRONTDESK_DATA", str(folder))
    return folder


def sentences(ended: Ended) -> list[str]:
    assert "Traceback" not in ended.err + ended.out
    return [line for line in ended.err.splitlines() if line]


# -- the command itself


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("bot.cli", HEAVY),
        ("bot.models", HEAVY - {"rich.console"} | {"jinja2", "bot.journal.journal"}),
        ("bot.model_worker", HEAVY - {"rich.console", "aiohttp"} | {"jinja2", "bot.journal.journal"}),
    ],
    ids=["help", "who asks a model", "who serves it"],
)
def test_nothing_heavy_is_imported_that_is_not_needed(module: str, spared: set[str]) -> None:
    program = f"import sys, {module}; print(*({spared!r} & sys.modules.keys()))"
    asked = [sys.executable, "-c", program]
    assert subprocess.run(asked, capture_output=True, timeout=SECONDS, cwd=ROOT, check=True).stdout == b"\n"


VERBS = [
    "run",
    "chat",
    "train",
    "evaluate",
    "parse",
    "collect",
    "import",
    "actions",
    "validate",
    "console",
    "version",
    "models",
]


def test_help_names_every_verb_and_each_has_its_own(frontdesk: Frontdesk) -> None:
    listed = frontdesk("--help").out
    for verb in VERBS:
        assert verb in listed
        assert "Usage" in frontdesk(verb, "--help").out


def test_the_page_about_the_command_has_every_verb() -> None:
    page = (ROOT / "docs" / "command.md").read_text()
    for verb in VERBS:
        assert f"## frontdesk {verb}" in page


def test_version_names_what_is_installed(frontdesk: Frontdesk) -> None:
    ended = frontdesk("version")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("frontdesk ")
    assert "\ntorch " in ended.out


def test_an_unknown_verb_is_refused(frontdesk: Frontdesk) -> None:
    ended = frontdesk("serve")
    assert ended.code == 2
    assert "No such command 'serve'" in ended.err


@pytest.mark.parametrize("words", [("run", "--port", "99999"), ("actions", "--port", "0"), ("train", "--seed", "-1")])
def test_a_number_out_of_range_is_refused(frontdesk: Frontdesk, words: tuple[str, ...]) -> None:
    ended = frontdesk(*words)
    assert ended.code == 2
    assert words[1] in ended.err


# -- data that cannot be used

Spoiling = Callable[[Path], object]


def _replace(name: str, old: str, new: str) -> Spoiling:
    return lambda folder: (folder / name).write_text((folder / name).read_text().replace(old, new, 1))


def _append(name: str, text: str) -> Spoiling:
    return lambda folder: (folder / name).write_text((folder / name).read_text() + text)


def _encode(name: str, encoding: str) -> Spoiling:
    return lambda folder: (folder / name).write_bytes((folder / name).read_text().encode(encoding))


def _one_intent(folder: Path) -> None:
    (folder / "nlu" / "nlu.yml").write_text("nlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi\n")


def _few_examples(folder: Path) -> None:
    intents = (f"- intent: {name}\n  examples: |\n    - {texts[0]}\n" for name, texts in EXAMPLES.items())
    (folder / "nlu" / "nlu.yml").write_text("nlu:\n" + "".join(intents))


LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)
LATIN = [_replace("nlu/nlu.yml", "hey", "café"), _encode("nlu/nlu.yml", "latin-1")]
BAD_RULE = "- rule: bad\n  steps:\n  - intent: {}\n  - action: {}\n"
BROKEN: dict[str, tuple[list[Spoiling], str, str]] = {
    "broken YAML": ([_append("rules.yml", "- broken: [\n")], "rules.yml:12", "the YAML is broken"),
    "a tab": ([_append("rules.yml", "\t- rule: x\n")], "rules.yml:11", "Indent with spaces, not tabs."),
    "a tab before a dash": (
        [lambda folder: (folder / "nlu" / "tab.yml").write_text("nlu:\n\t- intent: x\n")],
        "tab.yml:2",
        "Indent with spaces, not tabs.",
    ),
    "an unknown intent": (
        [_append("rules.yml", BAD_RULE.format("ask_oder", "utter_order"))],
        "rules.yml:13",
        "unknown intent 'ask_oder'. Did you mean 'ask_order'?",
    ),
    "a missing response": (
        [_replace("domain.yml", "utter_hours", "utter_hourz")],
        "rules.yml:6",
        "'utter_hours', which has no response. Did you mean 'utter_hourz'?",
    ),
    "an empty example": ([_replace("nlu/nlu.yml", "- hello\n", "-\n")], "nlu.yml:25", "the example is empty"),
    "too few examples": ([_few_examples], "project", "no intent has more than one example"),
    "UTF-16 without its mark": ([_encode("domain.yml", "utf-16-le")], "domain.yml:1", "the file is UTF-16"),
    "an alias in itself": ([_append("domain.yml", "actions: &a [*a]\n")], "domain.yml:7", "nested without end"),
    "aliases without end": ([_append("domain.yml", LAUGHS)], "domain.yml:14", "the aliases make the YAML too large"),
    "UTF-16": ([_encode("domain.yml", "utf-16")], "domain.yml:1", "not UTF-8"),
    "Latin-1": (LATIN, "nlu.yml:28", "not UTF-8"),
    "a key twice": (
        [_append("domain.yml", "intents: [greet]\n")],
        "domain.yml:7",
        "the key 'intents' stands here twice",
    ),
    "one intent": ([_one_intent], "project", "Training needs at least two intents"),
    "no domain": ([lambda folder: (folder / "domain.yml").unlink()], "project", "Add a domain.yml"),
    "no folder": ([shutil.rmtree], "project", "there is no such file or folder"),
    "an empty folder": ([shutil.rmtree, Path.mkdir], "project", "0 examples of 0 intents"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_validate_says_where_and_what_to_do_in_one_sentence(
    frontdesk: Frontdesk, project: Path, home: Path, fault: str
) -> None:
    spoilings, place, problem = BROKEN[fault]
    for spoil in spoilings:
        spoil(project)
    ended = frontdesk("validate", "--data", project)
    assert ended.code == 2
    told, *warnings, count = ended.out.splitlines()
    assert told.startswith(str(project))
    assert f"{place}: " in told
    assert problem in told
    assert count == f"1 error, {len(warnings)} warnings."
    assert not home.exists()


@pytest.mark.parametrize("fault", BROKEN)
def test_run_refuses_it_and_writes_nothing(frontdesk: Frontdesk, project: Path, home: Path, fault: str) -> None:
    for spoil in BROKEN[fault][0]:
        spoil(project)
    ended = frontdesk("run")
    assert ended.code == 2
    (sentence,) = sentences(ended)
    assert sentence.startswith(f"frontdesk: {project}")
    assert not home.exists()


@pytest.mark.parametrize(
    "fault", ["broken YAML", "an empty example", "too few examples", "UTF-16", "Latin-1", "one intent", "no folder"]
)
def test_train_refuses_it_and_writes_nothing(frontdesk: Frontdesk, project: Path, tmp_path: Path, fault: str) -> None:
    for spoil in BROKEN[fault][0]:
        spoil(project)
    before = set(tmp_path.iterdir())
    ended = frontdesk("train", "--data", project, "--out", tmp_path / "model")
    assert (ended.code, ended.out) == (2, "")
    assert len(sentences(ended)) == 1
    assert set(tmp_path.iterdir()) == before


def test_validate_finds_nothing_in_a_good_project_or_a_table(frontdesk: Frontdesk, project: Path) -> None:
    table = project / "table.csv"
    table.write_text("text,intent\n" + "".join(f"hello {n},greet\nwhere is {n},ask\n" for n in range(5)))
    for data in (project, table):
        ended = frontdesk("validate", "--data", data)
        assert (ended.code, ended.out) == (0, "0 errors, 0 warnings.\n")


def test_a_table_without_its_columns_is_refused(frontdesk: Frontdesk, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("question,answer\nhello,hi\n")
    ended = frontdesk("validate", "--data", tmp_path / "table.csv")
    assert ended.code == 2
    assert (
        "table.csv:1: the columns are question, answer. The first line must be 'text,intent', with commas." in ended.out
    )


TABLE = "text,intent\nhello,greet\nhi there,greet\n{}\nwhere is it,ask\nwhere now,ask\n"
BAD_TABLES = {
    "a quote that is never closed": (TABLE.format('"good day,greet'), 4, "the CSV is broken here"),
    "a quote within a quoted text": (TABLE.format('"good "day",greet'), 4, "the CSV is broken here"),
    "a comma in a text": (
        TABLE.format("hey, you,greet"),
        4,
        "there are 3 values for 2 columns. Put a text with commas",
    ),
    "a text that nobody sees": (TABLE.format("\u200b \ufeff,greet"), 4, "the text is empty"),
    "no header": ("hello,greet\nhi,greet\nwhere is it,ask\n", 1, "The first line must be 'text,intent', with commas."),
    "semicolons": (TABLE.format("good day,greet").replace(",", ";"), 1, "the columns are text;intent."),
    "nothing": ("", 1, "the file is empty"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_a_broken_table_is_one_sentence_with_the_line(frontdesk: Frontdesk, tmp_path: Path, fault: str) -> None:
    text, line, problem = BAD_TABLES[fault]
    (tmp_path / "table.csv").write_text(text, "utf-8")
    ended = frontdesk("train", "--data", tmp_path / "table.csv", "--out", tmp_path / "model")
    (sentence,) = sentences(ended)
    assert ended.code == 2
    assert f"table.csv:{line}: " in sentence
    assert problem in sentence


@pytest.mark.parametrize("rows", ["", "\n\n", ",\n , \n", "good day,greet,,", 'he said "hi",greet'])
def test_a_table_may_have_empty_rows_and_cells_as_spreadsheets_leave_them(
    frontdesk: Frontdesk, tmp_path: Path, rows: str
) -> None:
    (tmp_path / "table.csv").write_text(TABLE.format(rows), "utf-8-sig")
    ended = frontdesk("validate", "--data", tmp_path / "table.csv")
    assert (ended.code, ended.out) == (0, "0 errors, 0 warnings.\n")


def test_a_file_of_another_kind_is_told_which_kinds_there_are(frontdesk: Frontdesk, tmp_path: Path) -> None:
    (tmp_path / "examples.json").write_text("[]")
    ended = frontdesk("train", "--data", tmp_path / "examples.json", "--out", tmp_path / "model")
    (sentence,) = sentences(ended)
    assert ended.code == 2
    assert "this is neither YAML nor CSV. Its name must end in .yml, .yaml, .csv." in sentence


def test_warnings_alone_are_no_failure(frontdesk: Frontdesk, project: Path) -> None:
    (project / "domain.yml").write_text(DOMAIN.replace("greet]", "greet, thanks]"))
    ended = frontdesk("validate", "--data", project)
    assert ended.code == 0
    assert ended.out.endswith("0 errors, 2 warnings.\n")


# -- a machine that does not play along


def test_a_taken_port_is_told_before_anything_is_read(frontdesk: Frontdesk, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = frontdesk("run", "--port", port)
    (sentence,) = sentences(ended)
    assert sentence == (
        f"frontdesk: Cannot listen on 127.0.0.1:{port} (Address already in use); "
        "stop what uses it, or choose another FRONTDESK_PORT."
    )
    assert ended.code == 2
    assert not home.exists()


WRONG = {
    ("FRONTDESK_HOST", "nowhere.invalid"): "correct FRONTDESK_HOST",
    ("FRONTDESK_PORT", "http"): "FRONTDESK_PORT: ",
    ("FRONTDESK_ORIGINS", "https://shop.example"): "FRONTDESK_ORIGINS: must be a JSON list such as",
    ("REDIS_URL", "redis://127.0.0.1:1"): "unset REDIS_URL to use the embedded server",
    ("REDIS_URL", "localhost"): "REDIS_URL is not a URL such as redis://",
    ("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/db"): "is not reachable",
    ("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:one/db"): "is not a URL such as",
    ("DATABASE_URL", "frontdesk"): "DATABASE_URL: must be a URL such as postgresql://",
    ("DATABASE_URL", "mysql://127.0.0.1/db"): "must begin with postgresql:// or sqlite:///",
    ("ACTION_ENDPOINT", "127.0.0.1:5055"): "ACTION_ENDPOINT: must be a URL such as http://",
}


@pytest.mark.parametrize("setting", WRONG)
def test_a_setting_that_leads_nowhere_is_told_before_training(
    frontdesk: Frontdesk, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    monkeypatch.setenv(*setting)
    ended = frontdesk("run")
    (sentence,) = sentences(ended)
    assert ended.code == 2
    assert WRONG[setting] in sentence
    assert "hunter2" not in sentence
    assert not home.exists()


def test_a_settings_file_that_is_no_toml_is_told(frontdesk: Frontdesk, tmp_path: Path) -> None:
    (tmp_path / "frontdesk.toml").write_text("port: 8080\n")
    ended = frontdesk("console")
    (sentence,) = sentences(ended)
    assert ended.code == 2
    assert sentence.startswith("frontdesk: frontdesk.toml: cannot be read as TOML")


def _without_root() -> tuple[str, ...]:
    """Root reads and writes everything, unless it gives that up."""
    return ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="Root cannot give up its rights here.")
@pytest.mark.parametrize("words", [("console",), ("run",)])
def test_a_home_that_cannot_be_written_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    env = environment(home, FRONTDESK_DATA=write_project(tmp_path / "project"), FRONTDESK_PORT=0)
    ended = ran(*words, env=env, before=_without_root())
    assert ended.code == 2
    assert sentences(ended)[-1].startswith(f"frontdesk: {home}")
    assert sentences(ended)[-1].endswith(
        "permission denied. Change its permissions, or choose another folder (FRONTDESK_HOME)."
    )
    assert not list(home.iterdir())


def test_a_home_that_is_a_file_is_told(frontdesk: Frontdesk, home: Path) -> None:
    home.write_text("")
    ended = frontdesk("console")
    (sentence,) = sentences(ended)
    assert ended.code == 2
    assert str(home) in sentence


def test_too_little_room_for_a_model_is_told_before_training(
    frontdesk: Frontdesk, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot import models

    monkeypatch.setattr(models, "ROOM", 1 << 62)
    ended = frontdesk("train")
    (sentence,) = sentences(ended)
    assert ended.code == 2
    assert "MB are free on this disk" in sentence
    assert "FRONTDESK_HOME" in sentence
    assert not home.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="There is no /dev/full here.")
def test_a_full_disk_behind_standard_output_is_told(tmp_path: Path) -> None:
    env = environment(tmp_path)
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", "from bot.cli import main; main()", "version"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"frontdesk: No space left on device. Make room")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("problem", "code", "sentence"),
    [
        (OSError(errno.ENOSPC, "x", "/a/.new-1"), 2, "/a: no space left on device. Make room"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 2, "No space left on device. Make room"),
        (OSError(errno.EROFS, "x", "/a/b"), 2, "/a/b: read-only file system. Choose a folder that can be written"),
        (OSError(errno.EADDRINUSE, "x"), 2, "Address already in use. Stop what uses the port"),
        (RuntimeError("first\nsecond"), 1, "This should not happen (RuntimeError: first)."),
        (KeyError(), 1, "This should not happen (KeyError)."),
    ],
)
def test_every_failure_has_a_sentence(problem: Exception, code: int, sentence: str) -> None:
    told, with_code = failures.told(problem)
    assert told.startswith(sentence)
    assert with_code == code
    assert "\n" not in told


def test_only_debug_shows_where_a_bug_is(frontdesk: Frontdesk, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot import checks

    def fail(_: Path) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(checks, "problems_of", fail)
    ended = frontdesk("validate")
    assert ended.code == 1
    (sentence,) = sentences(ended)
    assert sentence.startswith("frontdesk: This should not happen (ZeroDivisionError: on purpose). FRONTDESK_LOG_LEVEL")
    monkeypatch.setenv("FRONTDESK_LOG_LEVEL", "debug")
    assert "in fail\n" in frontdesk("validate").err


# -- the console's link


def test_a_link_for_the_console_is_printed_alone(frontdesk: Frontdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_HOST", "0.0.0.0")
    monkeypatch.setenv("FRONTDESK_PORT", "8099")
    ended = frontdesk("console")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("http://127.0.0.1:8099/console/enter?code=")
    assert ended.out != frontdesk("console").out


def test_a_damaged_key_is_refused(frontdesk: Frontdesk, home: Path) -> None:
    home.mkdir()
    (home / "secret.key").write_bytes(b"")
    (sentence,) = sentences(frontdesk("console"))
    assert "secret.key is damaged: remove it" in sentence
