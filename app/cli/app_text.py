"""An app, its releases and moves as text."""

from typing import Any

from app.cli.show import print_pairs, print_table, visible


def print_app(document: dict[str, Any]) -> None:
    """The draft, the aliases, and the release that was asked for."""
    settings, release = document["settings"], document["release"]
    knowledge = settings["knowledge"]
    print_pairs([
        ("app", document["name"]), ("kind", settings["kind"]),
        ("description", document["description"] or None),
        ("prompt", settings["prompt"]), ("model", settings["model"]),
        ("fallbacks", settings["fallbacks"]), ("parameters", _settings(settings["params"])),
        ("base", None if knowledge is None else f"{knowledge['kb']} "
                 + _settings(knowledge["settings"])),
        ("guards", [f"{g['kind']} ({g['where']}, {g['action']})" for g in settings["guards"]]),
        ("pinned answers", len(settings["pinned"])),
        ("newest release", document["newest"] or None),
    ])  # fmt: skip
    if document["aliases"]:
        print()
        print_table(
            ("alias", "release", "canary", "%"),
            ((a["alias"], a["release"], a["canary"], a["percent"]) for a in document["aliases"]),
        )
    if release is not None:
        print()
        _print_release(document["name"], release)


def _print_release(name: str, release: dict[str, Any]) -> None:
    manifest = release["manifest"]
    prompt, read = manifest["prompt"], manifest["retrieval"]
    print_pairs([
        ("release", f"{name}@{release['release']}"), ("hash", release["hash"]),
        ("prompt", f"{prompt['name']}@{prompt['version']}"),
        ("models", [_door(door) for door in manifest["models"]]),
        ("base", None if read is None else f"{read['kb']}@{read['snapshot']}"),
        ("made", release["created_at"]), ("by", release["author"]),
        ("imported from", release["imported_from"]), ("message", release["message"] or None),
    ])  # fmt: skip
    for message in prompt["content"]["messages"]:
        print(f"\n{message['role']}:\n{visible(message['content'], keep=_LINES)}")


_LINES = "\n\t"


def _door(door: dict[str, Any]) -> str:
    params = _settings(door["params"])
    return f"{door['model']['name']} ({params})" if params else door["model"]["name"]


def _settings(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in values.items())


def print_history(document: dict[str, Any]) -> None:
    """Releases, then moves of aliases."""
    print_table(
        ("release", "aliases", "made", "by", "hash", "message"),
        (
            (r["release"], r["aliases"], r["created_at"], r["author"], r["hash"][:12], r["message"])
            for r in document["releases"]
        ),
    )
    if document["moves"]:
        print()
        print_table(
            ("alias", "what", "from", "to", "%", "at", "by", "reason"),
            (
                (m["alias"], m["kind"], m["from"], m["to"], m["percent"], m["at"], m["by"],
                 m["reason"])
                for m in document["moves"]
            ),
        )  # fmt: skip
