"""How one process is set up: environment `PROMPTSTONE_*`, `.env`, or flags."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


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
    key_file: Path | None = Field(
        default=None, description="key that seals provider keys; made at the first start"
    )
    host: str = Field(default="127.0.0.1", description="address the server listens on")
    port: int = Field(default=8501, description="port the server listens on")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="further host names of the workspace, separated by commas"
    )

    reranker: Path | None = Field(
        default=None, description="folder of a sentence-transformers cross-encoder"
    )

    chroma_from: int = Field(
        default=100_000, description="chunks from which a base is searched through Chroma", ge=1
    )

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @property
    def data(self) -> Path:
        """The data folder with `~` resolved."""
        return self.data_dir.expanduser().absolute()

    @property
    def url(self) -> str:
        """SQLAlchemy address of the database."""
        if self.database_url is None:
            return f"sqlite:///{self.data / 'promptstone.db'}"
        scheme, separator, rest = self.database_url.partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        return f"{scheme}{separator}{rest}"

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
