"""The process that holds Chroma: `python -I -B chroma_store.py OUR_FOLDER INDEX_FOLDER`.

Chroma's core can panic or crash on damaged files; here it takes no one with it. A request on stdin
and its answer on stdout are two lengths (u32, little endian), JSON, and float32 numbers. There is
one collection with cosine distance and our own vectors. The process has no network, sends no
telemetry and ends when stdin does.
"""

import json
import os
import struct
import sys
from typing import Any, BinaryIO

sys.path.append(sys.argv[1])
from rag.parsing.confine import leave_network

COLLECTION = "chunks"
# Upserts beyond this are refused by Chroma's SQLite.
BATCH = 5000
# More links and a wider search than Chroma's defaults: recall counts, and scores are exact anyway.
HNSW = {"space": "cosine", "ef_construction": 200, "ef_search": 400, "max_neighbors": 24}


def answer(collection: Any, request: dict[str, Any], numbers: Any) -> dict[str, Any]:
    match request["op"]:
        case "ids":
            return {"ids": collection.get(include=[])["ids"]}
        case "upsert":
            ids = request["ids"]
            for start in range(0, len(ids), BATCH):
                span = slice(start, start + BATCH)
                collection.upsert(ids=ids[span], embeddings=numbers[span])
            return {}
        case "delete":
            ids = request["ids"]
            for start in range(0, len(ids), BATCH):
                collection.delete(ids=ids[start : start + BATCH])
            return {}
        case _:
            found = collection.query(
                query_embeddings=numbers, n_results=request["count"], include=[]
            )
            return {"ids": found["ids"]}


def open_collection(folder: str) -> Any:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
    return client.get_or_create_collection(
        COLLECTION,
        embedding_function=None,
        configuration={"hnsw": HNSW},  # type: ignore[typeddict-item]
    )


def main() -> None:
    import numpy as np

    source = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    collection = open_collection(sys.argv[2])
    _send(out, {"count": collection.count()})
    while len(head := source.read(8)) == 8:
        sizes = struct.unpack("<II", head)
        request = json.loads(source.read(sizes[0]))
        numbers = np.frombuffer(source.read(sizes[1]), "<f4")
        if request.get("rows"):
            numbers = numbers.reshape(request["rows"], -1)
        _send(out, answer(collection, request, numbers))
    os._exit(0)


def _send(out: BinaryIO, value: dict[str, Any]) -> None:
    body = json.dumps(value).encode()
    out.write(struct.pack("<I", len(body)) + body)
    out.flush()


if __name__ == "__main__":
    leave_network()
    main()
