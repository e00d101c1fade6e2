"""The settings: one frozen value, read once, every field documented where it is declared."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal, Self, get_args, get_origin

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bot.channels.chatwoot import ChatwootSettings
from bot.channels.email import EmailSettings
from bot.channels.guard import origin_of
from bot.channels.line import LineSettings
from bot.channels.media_types import TYPES
from bot.channels.messenger import InstagramSettings, MessengerSettings
from bot.channels.settings import ChannelSettings
from bot.channels.signed import SignedSettings
from bot.channels.slack import SlackSettings
from bot.channels.teams import TeamsSettings
from bot.channels.telegram import TelegramSettings
from bot.channels.twilio import TwilioSettings
from bot.channels.whatsapp import WhatsappSettings
from nlu.source import Mendable, did_you_mean
from nlu.types import ERROR_BUDGET, Tune

SETTINGS_FILE = Path("frontdesk.toml")


_WORDS = {
    "missing": "is missing: set it, or nothing of its channel",
}

EXPLAINED = "explained"
"""The folder of the home in which is kept where models see the training examples."""


class SettingsError(Mendable):
    """A setting that cannot be used, in one sentence."""


def _named(name: str) -> AliasChoices:
    """A setting whose environment name has no FRONTDESK_ prefix because the whole field calls it so."""
    return AliasChoices(name.lower(), name)


class Settings(BaseSettings):
    """Environment variables win over `frontdesk.toml` in the working directory, which wins over the defaults."""

    model_config = SettingsConfigDict(
        env_prefix="FRONTDESK_",
        frozen=True,
        toml_file=SETTINGS_FILE,
        extra="forbid",
        env_ignore_empty=True,
        env_nested_delimiter="__",
    )

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for every interface.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; `0` for any free one.")
    workers: int = Field(1, ge=1, le=64, description="Server processes that share the port.")
    home: Path = Field(
        Path(".frontdesk"),
        description="Folder for everything Frontdesk writes: models, database, embedded Valkey, keys.",
    )
    data: Path = Field(
        Path("training_data"),
        description="The assistant: NLU examples, domain, rules, knowledge base. A Rasa project's folder works.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=_named("REDIS_URL"),
        description="Redis or Valkey for sessions; unset: an embedded Valkey server is started.",
    )
    database_url: str | None = Field(
        None,
        validation_alias=_named("DATABASE_URL"),
        description="Database of the conversation log, `postgresql://...`; unset: SQLite in the home folder.",
    )
    action_endpoint: str | None = Field(
        None,
        validation_alias=_named("ACTION_ENDPOINT"),
        description="URL of a rasa-sdk action server, `http://host:5055/webhook`; unset: they run in process.",
    )
    actions: str = Field("actions", description="Python package of the custom actions that run in process.")
    action_timeout: float = Field(5.0, gt=0, description="Seconds a custom action may take.")
    secret: SecretStr | None = Field(
        None, description="Key that signs session tokens; unset: made at first start and kept in the home folder."
    )
    api_token: SecretStr | None = Field(
        None,
        description="Token for the REST channel and the model API; unset: only callers on this machine are served.",
    )
    origins: tuple[str, ...] = Field(
        (),
        description="Origins whose pages may embed the widget, as a JSON list; the service's own is always allowed.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For is believed, as a JSON list."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models run; `auto`: a GPU if there is one."
    )
    threads: int = Field(
        0,
        ge=0,
        description="Threads of the model on a CPU; `0`: half of the cores in the service, shared by its workers, "
        "all of them in the model service and in training.",
    )
    model_url: str = Field(
        "",
        description="Model service (`frontdesk models serve`), `http://gpu:8090`; empty: each server process has the "
        "model itself.",
    )
    model_token: SecretStr | None = Field(
        None,
        min_length=1,
        description="Token by which a model service knows its chat servers; unset: it serves its own machine only.",
    )
    base_model: str = Field(
        "", description="Hugging Face BERT name or folder to train from; empty: the built-in MiniLM."
    )
    error_budget: float = Field(
        ERROR_BUDGET,
        ge=0,
        le=1,
        description="Share of the customers' messages that may be answered wrongly at once: the lower, the more often "
        "the bot asks back or hands over; see `frontdesk evaluate --budget`.",
    )
    order_numbers: str = Field(
        r"\bLW[-\s]?\d{5}\b",
        description="Expression of your order numbers: what fits it is redacted before a text is kept for learning.",
    )
    tune: Tune = Field(
        Tune.ALL,
        description="What a training changes: `all`, `adapters` (few weights beside the layers'), or the `head` alone, "
        "in seconds.",
    )
    retrain_at: str = Field(
        "", description="When the service retrains by itself: `03:00` each day, `sun 03:00` each week; empty: never."
    )
    retrain_by_hand: bool = Field(
        False, description="Whether a person promotes what the service retrained by itself, also if the gate passes it."
    )
    unsigned_models: Literal["refuse", "accept"] = Field(
        "refuse", description="Whether a model that nobody signed may be served; see `frontdesk models keys`."
    )
    second_opinion: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of what reviewers label that another one is asked about, too: it counts once two agree.",
    )
    learn_from_guesses: bool = Field(
        False,
        description="Whether `retrain` learns from a model's own sure guesses, if the gate finds that it helps.",
    )
    language: str = Field("en", description="Language of the help pages, for browsers and screen readers.")
    bot_name: str = Field("Larkwood Home", description="Name shown in the widget's header.")
    message_chars: int = Field(4000, ge=1, description="Longest message accepted, in characters.")
    frame_bytes: int = Field(65536, ge=1024, description="Largest WebSocket frame accepted, in bytes.")
    body_bytes: int = Field(262144, ge=1024, description="Largest HTTP body accepted, in bytes.")
    json_depth: int = Field(16, ge=2, description="Deepest JSON accepted.")
    rate: float = Field(5.0, gt=0, description="Messages a second from one visitor, on average.")
    burst: int = Field(10, ge=1, description="Messages a visitor may send at once.")
    connections_per_address: int = Field(50, ge=1, description="Widget connections open at once from one address.")
    conversations_per_hour: int = Field(120, ge=1, description="New widget conversations an hour from one address.")
    turn_timeout: float = Field(20.0, gt=0, description="Seconds after which a turn ends with an apology.")
    queue_size: int = Field(
        1000,
        ge=1,
        description="Messages that may wait for an answer; what cannot be answered soon is refused as busy.",
    )
    backlog: int = Field(
        10_000,
        ge=1,
        description="Messages of messaging apps that may wait for an answer; nobody looks at a screen meanwhile.",
    )
    conversation_backlog: int = Field(
        50,
        ge=1,
        description="Messages of one conversation that may wait; more are refused as busy, and of a messaging app's "
        "the last are answered.",
    )
    public_url: str = Field(
        "",
        description="Where the service is for the world, `https://chat.example.com`; some channels sign that address.",
    )
    chatwoot: ChatwootSettings | None = Field(None, description="Chatwoot, as an Agent Bot.")
    email: EmailSettings | None = Field(None, description="E-mail, by a mailbox of yours.")
    instagram: InstagramSettings | None = Field(None, description="Instagram, by a professional account.")
    line: LineSettings | None = Field(None, description="LINE, by an official account.")
    messenger: MessengerSettings | None = Field(None, description="Facebook Messenger, by a page.")
    signed: SignedSettings | None = Field(None, description="Signed webhooks, for a program of yours.")
    slack: SlackSettings | None = Field(None, description="Slack, by an app of a workspace.")
    teams: TeamsSettings | None = Field(None, description="Microsoft Teams, by a bot.")
    telegram: TelegramSettings | None = Field(None, description="Telegram, by a bot.")
    twilio: TwilioSettings | None = Field(None, description="SMS or WhatsApp, over Twilio.")
    whatsapp: WhatsappSettings | None = Field(None, description="WhatsApp, by Meta's Cloud API.")
    delivery_timeout: float = Field(10.0, gt=0, description="Seconds a call to a messaging provider may take.")
    delivery_hours: float = Field(
        24.0, gt=0, description="Hours for which a reply that a provider does not take is offered again."
    )
    deliveries_at_once: int = Field(20, ge=1, description="Calls to messaging providers under way at once.")
    media_megabytes: int = Field(
        10, ge=1, le=100, description="Largest file of a customer that is fetched when a person opens it, in MB."
    )
    media_timeout: float = Field(30.0, gt=0, description="Seconds that fetching such a file may take.")
    media_types: tuple[str, ...] = Field(
        (), description="Types of such files, as a JSON list of those in `docs/channels.md`; empty: all of them."
    )
    media_origins: tuple[str, ...] = Field(
        (),
        description="Storages of your own that such files may come from though they are on a private network, as a "
        "JSON list: `http://minio:9000`.",
    )
    keep_conversations: int = Field(
        0, ge=0, description="Days after its last message for which a conversation is kept; `0`: for ever."
    )
    keep_utterances: int = Field(
        0, ge=0, description="Days for which what customers said is kept for learning; `0`: for ever."
    )
    keep_dead_letters: int = Field(
        0, ge=0, description="Days for which a person may still decide about what was given up; `0`: for ever."
    )
    keep_receipts: int = Field(0, ge=0, description="Days for which receipts of erasures are kept; `0`: for ever.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    log_format: Literal["text", "json"] = Field("text", description="How log lines look.")

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str | None) -> str | None:
        if url is not None and "://" not in url:
            raise ValueError("must be a URL such as postgresql://user:password@host/database")
        return url

    @field_validator("retrain_at")
    @classmethod
    def _time(cls, text: str) -> str:
        from bot.learning.schedule import When

        if text:
            When.read(text)
        return text

    @field_validator("action_endpoint")
    @classmethod
    def _endpoint(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^/]", url):
            raise ValueError("must be a URL such as http://127.0.0.1:5055/webhook")
        return url

    @field_validator("model_url")
    @classmethod
    def _model(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^/?#@]+(/[^?#]*)?", url):
            raise ValueError("must be a URL such as http://gpu:8090")
        return url.rstrip("/")

    @field_validator("order_numbers")
    @classmethod
    def _expression(cls, expression: str) -> str:
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(f"must be a regular expression such as ORD-[0-9]{{6}} ({error})") from None
        return expression

    @field_validator("media_types")
    @classmethod
    def _types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(types) - TYPES):
            raise ValueError(f"{unknown[0]} is not among the types that can be shown: {', '.join(sorted(TYPES))}")
        return types

    @field_validator("media_origins")
    @classmethod
    def _storages(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"https?://[^/?#@]+/?", url) and origin_of(url) for url in urls):
            raise ValueError("must be a list of origins such as http://minio:9000, without a path")
        return urls

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^/?#]+(/[^?#]*)?", url):
            raise ValueError("must be a URL such as https://chat.example.com")
        return url.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def read(cls) -> Self:
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError("; ".join(map(_sentence, error.errors()))) from None
        except ValueError as error:
            raise SettingsError(_unreadable(error)) from None
        except OSError as error:
            raise SettingsError(f"{SETTINGS_FILE}: {error.strerror}. Change its permissions.") from None


def address(host: str, port: int) -> str:
    """Where a browser on this machine finds what listens on `host`."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def channels() -> dict[str, type[ChannelSettings]]:
    """The settings of channels, by the channels' names."""
    kinds = ((name, kind) for name, field in Settings.model_fields.items() for kind in get_args(field.annotation))
    return {name: kind for name, kind in kinds if isinstance(kind, type) and issubclass(kind, ChannelSettings)}


def environment_name(field: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[-1]) if isinstance(alias, AliasChoices) else f"FRONTDESK_{field.upper()}"


def _sentence(error: ErrorDetails) -> str:
    place = tuple(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return _unknown(place)
    name = _variable(place) if place else "the settings"
    message = _WORDS.get(error["type"], error["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"


def _unknown(place: tuple[str, ...]) -> str:
    """Where the name stands: in the environment, alone or within the JSON of its channel, or else in the file."""
    names = {name.upper(): name for name in os.environ}
    variable, whole = _variable(place), _shown(place[0])
    given = names.get(variable.upper()) if len(place) > 1 else None
    if given:
        known = [_variable((place[0], field)) for field in channels()[place[0]].model_fields]
        guess = did_you_mean(variable, known) or "correct or unset the environment variable"
        return f"{given}: there is no such setting. {guess}"
    if len(place) > 1 and whole in names:
        return f"{whole}: there is no setting {place[-1]} in it, correct the environment variable"
    return f"{'.'.join(place)}: there is no such setting, correct the name in {SETTINGS_FILE}"


def _variable(place: tuple[str, ...]) -> str:
    return "__".join([_shown(place[0]), *(part.upper() for part in place[1:])])


def _shown(name: str) -> str:
    """As the person wrote it: a setting by its environment name, an unknown key of the file as it is."""
    field = name.lower() if name.isupper() else name
    return environment_name(field) if field in Settings.model_fields else name


def _not_json(channel: str) -> str:
    """Which of a channel's settings it is: the library names the channel alone."""
    fields = channels()[channel].model_fields
    lists = [name for name, info in fields.items() if get_origin(info.annotation) in (tuple, dict)]
    given = [f"{environment_name(channel)}__{name.upper()}" for name in lists]
    return " or ".join(name for name in given if name in os.environ) or environment_name(channel)


def _unreadable(error: Exception) -> str:
    """A list that is not JSON, or a file that is not TOML."""
    field = re.search(r'field "(\w+)" from source "Env', str(error))
    if field and field[1] in channels():
        return f"{_not_json(field[1])}: must be JSON, a list of one such as [\"...\"]; in a shell within '...'."
    if field:
        return f'{environment_name(field[1])}: must be a JSON list such as ["https://shop.example"].'
    return f"{SETTINGS_FILE}: cannot be read as TOML ({error}). Write lines such as: port = 8080"
