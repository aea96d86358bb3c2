"""How one process is set up: environment `PROMPTSTONE_*`, `.env`, or flags."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import Invalid, Unavailable

_ADDRESS = re.compile(r"(https?://[^/?#@\s]+)/?")
_LIKE = {"public_url": "https://prompts.example.com", "chroma_url": "http://127.0.0.1:8000"}


class Settings(BaseSettings):
    """Everything a process must know before it opens the database."""

    model_config = SettingsConfigDict(
        env_prefix="PROMPTSTONE_", env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        default=Path("~/.promptstone"), description="database, index, files and keys"
    )
    database_url: str | None = Field(
        default=None, description="postgresql://…; without it, SQLite in the data folder"
    )
    database_password_file: Path | None = Field(
        default=None, description="file with the password of the user that database_url names"
    )
    key_file: Path | None = Field(
        default=None, description="key that seals provider keys; made at the first start"
    )
    host: str = Field(default="127.0.0.1", description="address the server listens on")
    port: int = Field(default=8501, description="port the server listens on")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="further host names of the workspace, separated by commas"
    )
    public_url: str | None = Field(
        default=None, description="address under which people open the workspace, for links"
    )

    reranker: Path | None = Field(
        default=None, description="folder of a sentence-transformers cross-encoder"
    )

    evaluators_dir: Path | None = Field(
        default=None,
        description="folder of the administrator's evaluators [DATA/evaluators]",
    )

    chroma_from: int = Field(
        default=100_000, description="chunks from which a base is searched through Chroma", ge=1
    )
    chroma_url: str | None = Field(
        default=None, description="Chroma server that all processes share, instead of own files"
    )

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("public_url", "chroma_url")
    @classmethod
    def _an_address(cls, value: str | None, field: ValidationInfo) -> str | None:
        if value is None:
            return None
        found = _ADDRESS.fullmatch(value)
        if found is None:
            raise ValueError(f"it is not like {_LIKE[str(field.field_name)]}")
        return found[1]

    def as_environment(self) -> dict[str, str]:
        """Variables that give a child process the settings that were given to this one."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        given |= {"data_dir": self.data, "key_file": self.key_path}
        return {
            f"PROMPTSTONE_{name.upper()}": ",".join(value)
            if isinstance(value, tuple)
            else str(value)
            for name, value in given.items()
            if value is not None
        }

    @property
    def data(self) -> Path:
        """The data folder with `~` resolved."""
        return self.data_dir.expanduser().absolute()

    @property
    def url(self) -> str:
        """SQLAlchemy address of the database, with the password of its file, if there is one."""
        if self.database_url is None:
            return f"sqlite:///{self.data / 'promptstone.db'}"
        scheme, separator, rest = self.database_url.partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        return f"{scheme}{separator}{self._with_password(rest)}"

    def _with_password(self, rest: str) -> str:
        if self.database_password_file is None:
            return rest
        host, slash, path = rest.partition("/")
        user, at, place = host.rpartition("@")
        if not at or ":" in user:
            raise Invalid(
                "PROMPTSTONE_DATABASE_PASSWORD_FILE needs a PROMPTSTONE_DATABASE_URL with a user "
                "and no password, like postgresql://USER@HOST/DATABASE. Correct one of them."
            )
        try:
            password = self.database_password_file.expanduser().read_text().rstrip("\r\n")
        except OSError as error:
            raise Unavailable(
                f"The password file {self.database_password_file} cannot be read "
                f"({error.strerror}). Check PROMPTSTONE_DATABASE_PASSWORD_FILE and its rights."
            ) from error
        return f"{user}:{quote(password, safe='')}@{place}{slash}{path}"

    @property
    def evaluators(self) -> Path:
        """Folder of the administrator's evaluators in Python."""
        return (self.evaluators_dir or self.data / "evaluators").expanduser().absolute()

    @property
    def key_path(self) -> Path:
        """File of the sealing key."""
        return (self.key_file or self.data / "secret.key").expanduser()


def load_settings(data_dir: Path | None = None, **flags: object) -> Settings:
    """Settings from the environment; flags that are not None win."""
    given: dict[str, object] = {name: value for name, value in flags.items() if value is not None}
    if data_dir is not None:
        given["data_dir"] = data_dir
    return Settings(**given)  # pyright: ignore[reportArgumentType]
