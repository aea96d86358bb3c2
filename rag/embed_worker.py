"""The process that runs embedding models and cross-encoders: `python -I -B embed_worker.py FOLDER`.

The first frame on stdin says which model, every further one asks; a frame is its length (u32,
little endian) and JSON. An answer is its length, the request's number, one byte for good or bad,
and float32 numbers or the error's text. Several requests are open at once and queries go first.
The process has no network and ends when stdin does. FOLDER is the one that holds `rag`.
"""

import heapq
import json
import os
import struct
import sys
import threading
from typing import Any, BinaryIO, Protocol

sys.path.append(sys.argv[1])
from rag.parsing.confine import leave_network

# Before numpy: a process with threads cannot leave its network.
leave_network()

import numpy as np  # noqa: E402

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Texts = list[Any]
Numbers = Any


class Model(Protocol):
    """`batch` texts go into one call; `callers` calls run at once; `run` gives (texts, width)."""

    width: int
    batch: int
    callers: int

    def run(self, texts: Texts, query: bool) -> Numbers: ...
    def tokens(self, text: str) -> list[str]: ...


class Onnx:
    """A BERT in ONNX with mean pooling, one text a call on one thread.

    That is as fast as batches (no padding, no waiting for the longest), and the vector of a text
    cannot depend on its neighbours. A query, alone, gets all cores.
    """

    batch = 1
    callers = CORES

    def __init__(self, spec: dict[str, Any]) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(spec["tokenizer"])
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec["limit"])
        self._plain = Tokenizer.from_file(spec["tokenizer"])
        self._narrow = _session(onnxruntime, spec["model"], 1)
        self._wide = _session(onnxruntime, spec["model"], CORES)
        self.width = self.run(["warm"], True).shape[1]

    def run(self, texts: Texts, query: bool) -> Numbers:
        session = self._wide if query else self._narrow
        return np.stack([self._one(session, text) for text in texts])

    def _one(self, session: Any, text: str) -> Numbers:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        # Without padding the mean over the tokens needs no mask.
        pooled = session.run(None, feed)[0][0].mean(0, dtype=np.float32)
        return pooled / np.linalg.norm(pooled)

    def tokens(self, text: str) -> list[str]:
        return self._tokenizer.encode(text, add_special_tokens=False).tokens


class SentenceTransformers:
    """Any sentence-transformers folder; code in the folder is never run, pickles never read."""

    batch = 16
    callers = 1

    def __init__(self, spec: dict[str, Any]) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(
            spec["path"],
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
        self.width = self.run(["warm"], True).shape[1]

    def run(self, texts: Texts, query: bool) -> Numbers:
        # A model may want its queries and its documents introduced by different words.
        encode = self._model.encode_query if query else self._model.encode_document
        found = encode(
            texts, batch_size=self.batch, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32)

    def tokens(self, text: str) -> list[str]:
        return self._model.tokenizer.tokenize(text)


class CrossEncoder:
    """A sentence-transformers cross-encoder: texts are (query, passage), numbers from 0 to 1."""

    batch = 16
    callers = 1
    width = 1

    def __init__(self, spec: dict[str, Any]) -> None:
        import torch
        from sentence_transformers import CrossEncoder

        self._sigmoid = torch.nn.Sigmoid()
        self._model = CrossEncoder(
            spec["path"],
            trust_remote_code=False,
            local_files_only=True,
            num_labels=1,
            model_kwargs={"use_safetensors": True},
        )

    def run(self, texts: Texts, query: bool) -> Numbers:
        pairs = [(asked, passage) for asked, passage in texts]
        found = self._model.predict(
            pairs, batch_size=self.batch, show_progress_bar=False, activation_fn=self._sigmoid
        )
        return np.asarray(found, np.float32).reshape(-1, 1)

    def tokens(self, text: str) -> list[str]:
        return []


MODELS = {"onnx": Onnx, "sentence_transformers": SentenceTransformers, "rerank": CrossEncoder}


def _session(onnxruntime: Any, path: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Job:
    """One request on its way: texts still to do, longest first, and where the numbers go."""

    def __init__(self, number: int, texts: Texts, query: bool, width: int) -> None:
        self.number = number
        self.texts = texts
        self.query = query
        self.numbers = np.zeros((len(texts), width), np.float32)
        self.todo = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        self.open = len(texts)
        self.error = ""

    def take(self, count: int) -> list[int]:
        taken, self.todo = self.todo[:count], self.todo[count:]
        return taken


class Work:
    """Jobs by urgency; threads take a batch at a time, so that a query waits for one batch only."""

    def __init__(self, model: Model, out: BinaryIO) -> None:
        self._model = model
        self._out = out
        self._jobs: list[tuple[bool, int, Job]] = []
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        for _ in range(model.callers):
            threading.Thread(target=self._serve, daemon=True).start()

    def add(self, job: Job) -> None:
        if not job.texts:
            self._answer(job)
            return
        with self._changed:
            heapq.heappush(self._jobs, (not job.query, job.number, job))
            self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            job, places = self._next()
            try:
                job.numbers[places] = self._model.run([job.texts[at] for at in places], job.query)
            except Exception as error:
                job.error = f"{type(error).__name__}: {error}"[:500]
            with self._changed:
                job.open -= len(places)
                done = job.open == 0
            if done:
                self._answer(job)

    def _next(self) -> tuple[Job, list[int]]:
        with self._changed:
            while not self._jobs:
                self._changed.wait()
            job = self._jobs[0][2]
            places = job.take(self._model.batch)
            if not job.todo:
                heapq.heappop(self._jobs)
            return job, places

    def _answer(self, job: Job) -> None:
        good = not job.error
        body = job.numbers.astype("<f4").tobytes() if good else job.error.encode()
        with self._writing:
            send(self._out, job.number, good, body)


def send(out: BinaryIO, number: int, good: bool, body: bytes) -> None:
    out.write(struct.pack("<II?", 5 + len(body), number, good))
    out.write(body)
    out.flush()


def read_frame(source: BinaryIO) -> Any:
    head = source.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack("<I", head)
    body = source.read(length)
    return json.loads(body) if len(body) == length else None


def main() -> None:
    source = os.fdopen(os.dup(0), "rb")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the frames
    spec = read_frame(source)
    try:
        model = MODELS[spec["kind"]](spec)
        tokens = [model.tokens(sample) for sample in spec["samples"]]
    except Exception as error:
        send(out, 0, False, f"{type(error).__name__}: {error}"[:500].encode())
        return
    send(out, 0, True, json.dumps({"width": model.width, "tokens": tokens}).encode())
    work = Work(model, out)
    while (request := read_frame(source)) is not None:
        work.add(Job(request["number"], request["texts"], request["query"], model.width))
    os._exit(0)


if __name__ == "__main__":
    main()
