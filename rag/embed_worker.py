"""The process that runs embedding models and cross-encoders: `python -I -B embed_worker.py FOLDER`.

The first frame on stdin says which model, every further one asks; a frame is its length (u32,
little endian) and JSON. An answer is its length, the request's number, one byte for good or bad,
and float32 numbers or the error's text. Several requests are open at once and queries go first.
The process has no network and ends when stdin does. FOLDER is the one that holds `rag`.
"""

import json
import os
import sys
from typing import Any

sys.path.append(sys.argv[1])
from rag.parsing.confine import leave_network

# Before numpy: a process with threads cannot leave its network.
leave_network()

import numpy as np  # noqa: E402

from rag.embed_queue import Job, Numbers, Texts, Work, read_frame, send  # noqa: E402

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
