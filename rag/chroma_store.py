"""The process that holds Chroma: `python -I -B chroma_store.py OUR_FOLDER PLACE`.

Chroma's core can panic or crash on damaged files; here it takes no one with it. PLACE is a folder,
or the address of a Chroma server. A request on stdin and its answer on stdout are two lengths (u32,
little endian), JSON, and float32 numbers. Collections have cosine distance and our own vectors. The
process sends no telemetry and ends when stdin does; with a folder, it has no network.
"""

import contextlib
import json
import os
import struct
import sys
from typing import Any, BinaryIO
from urllib.parse import urlsplit

sys.path.append(sys.argv[1])
from rag.parsing.confine import leave_network

# Upserts beyond 5461 are refused by Chroma's SQLite.
BATCH = 5000
PAGE = 50_000
# More links and a wider search than Chroma's defaults: recall counts, and scores are exact anyway.
HNSW = {"space": "cosine", "ef_construction": 200, "ef_search": 400, "max_neighbors": 24}


def answer(client: Any, held: dict[str, Any], request: dict[str, Any], numbers: Any) -> Any:
    """What one request gives; `held` keeps the opened collection between requests."""
    match request["op"]:
        case "open":
            held["collection"], made = opened(client, request["name"])
            return {"made": made, "count": held["collection"].count()}
        case "names":
            return {"names": names(client)}
        case "drop":
            dropped(client, request["name"])
            return {}
        case _:
            return asked(held["collection"], request, numbers)


def asked(collection: Any, request: dict[str, Any], numbers: Any) -> Any:
    """What one request to a collection gives."""
    ids = request.get("ids", [])
    spans = [slice(start, start + BATCH) for start in range(0, len(ids), BATCH)]
    match request["op"]:
        case "count":
            return {"count": collection.count()}
        case "ids":
            return {"ids": ids_of(collection)}
        case "upsert":
            for span in spans:
                collection.upsert(ids=ids[span], embeddings=numbers[span])
            return {}
        case "delete":
            for span in spans:
                collection.delete(ids=ids[span])
            return {}
        case _:
            found = collection.query(
                query_embeddings=numbers, n_results=request["count"], include=[]
            )
            return {"ids": found["ids"]}


def opened(client: Any, name: str) -> tuple[Any, bool]:
    """The collection of that name, and whether it was made now, which of several asks one does."""
    from chromadb.errors import ChromaError

    if name not in names(client):
        how: Any = {"hnsw": HNSW}
        with contextlib.suppress(ChromaError):  # another process was faster
            return client.create_collection(name, embedding_function=None, configuration=how), True
    return client.get_collection(name, embedding_function=None), False


def dropped(client: Any, name: str) -> None:
    """Delete a collection, if no other process has."""
    from chromadb.errors import NotFoundError

    with contextlib.suppress(NotFoundError):
        client.delete_collection(name)


def names(client: Any) -> list[str]:
    """Of all collections."""
    return [collection.name for collection in client.list_collections()]


def ids_of(collection: Any) -> list[str]:
    """All ids; a server answers no more than so many at once."""
    found: list[str] = []
    while True:
        page = collection.get(include=[], limit=PAGE, offset=len(found))["ids"]
        found += page
        if len(page) < PAGE:
            return found


def connected(place: str) -> Any:
    """A client of the files in a folder, or of a server."""
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if not is_address(place):
        return chromadb.PersistentClient(place, settings=settings)
    url = urlsplit(place)
    ssl = url.scheme == "https"
    port = url.port or (443 if ssl else 80)
    return chromadb.HttpClient(url.hostname or "", port, ssl=ssl, settings=settings)


def is_address(place: str) -> bool:
    """Whether PLACE is a server's; folders are absolute."""
    return place.startswith(("http://", "https://"))


def main() -> None:
    import numpy as np

    source = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    client, held = connected(sys.argv[2]), dict[str, Any]()
    while len(head := source.read(8)) == 8:
        sizes = struct.unpack("<II", head)
        request = json.loads(source.read(sizes[0]))
        numbers = np.frombuffer(source.read(sizes[1]), "<f4")
        if request.get("rows"):
            numbers = numbers.reshape(request["rows"], -1)
        _send(out, answer(client, held, request, numbers))
    os._exit(0)


def _send(out: BinaryIO, value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    out.write(struct.pack("<I", len(body)) + body)
    out.flush()


if __name__ == "__main__":
    if not is_address(sys.argv[2]):
        leave_network()
    main()
