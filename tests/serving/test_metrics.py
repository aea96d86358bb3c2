"""Figures for Prometheus: what calls took, read with a key for figures and with no other."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.apps_server import AppsServer, apps_server
from tests.support.witness import Witness


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[AppsServer]:
    with apps_server(tmp_path_factory.mktemp("metrics") / "data") as server:
        for model in ("ok", "r500"):
            server.model(model, upstream.base_url, model, input_price="1", output_price="2")
        server.app("measured", model="ok")
        server.app("failing", model="r500")
        server.key = server.new_key("all", "measured", "failing")
        yield server


@pytest.fixture(scope="module")
def prometheus(api: AppsServer) -> str:
    """A key for figures."""
    return api.new_key("prometheus", scope="metrics")


def figures(api: AppsServer, key: str) -> dict[tuple[str, ...], float]:
    """Values by name and values of the labels in the order of their names."""
    answer = api.call("/metrics", method="GET", key=key)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_calls_tokens_cost_and_times_are_counted(api: AppsServer, prometheus: str):
    usages = [api.chat("measured", "one two three").json["usage"] for _ in range(3)]
    api.chat("measured", "one two three", stream=True)
    api.chat("failing")
    found = figures(api, prometheus)
    assert found["promptstone_app_calls_total", "measured", "1", "succeeded", "200"] == 4
    assert found["promptstone_app_calls_total", "failing", "1", "failed", "503"] == 1
    given, made = usages[0]["prompt_tokens"], usages[0]["completion_tokens"]
    assert found["promptstone_app_tokens_total", "measured", "input", "1"] == 4 * given
    assert found["promptstone_app_tokens_total", "measured", "output", "1"] == 4 * made
    cost = 4 * (given * 1 + made * 2) / 1e6
    assert found["promptstone_app_cost_usd_total", "measured", "1"] == pytest.approx(cost)
    assert found["promptstone_app_call_seconds_count", "measured", "1"] == 4
    assert found["promptstone_app_first_token_seconds_count", "measured", "1"] == 1
    assert found["promptstone_http_answers_total", "503"] >= 1


def test_an_unpriced_call_counts_without_a_cost(
    api: AppsServer, upstream: Witness, prometheus: str
):
    api.model("free", upstream.base_url, "ok")
    api.app("unpriced", model="free")
    key = api.new_key("unpriced", "unpriced")
    body = {"model": "unpriced", "messages": [{"role": "user", "content": "hi"}]}
    assert api.call("/v1/chat/completions", body, key=key).status == 200
    found = figures(api, prometheus)
    assert found["promptstone_app_calls_total", "unpriced", "1", "succeeded", "200"] == 1
    assert ("promptstone_app_cost_usd_total", "unpriced", "1") not in found


def test_figures_need_a_key_for_figures(api: AppsServer):
    apps = api.call("/metrics", method="GET")
    assert apps.status == 403
    assert "--scope metrics" in apps.error["message"]
    assert api.call("/metrics", method="GET", key="ps_nonsense").status == 401


def test_a_key_for_figures_calls_no_app(api: AppsServer, prometheus: str):
    body = {"model": "measured", "messages": [{"role": "user", "content": "hi"}]}
    assert api.call("/v1/chat/completions", body, key=prometheus).status == 403
    assert api.call("/v1/models", method="GET", key=prometheus).status == 403
