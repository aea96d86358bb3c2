"""What Prometheus reads: answers of this process, and what the database holds."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text

from core.database import Database
from serving.metrics import registry as apps

_registry = CollectorRegistry()
ProcessCollector(registry=_registry)
_answers = Counter(
    "promptstone_http_answers", "HTTP answers of this process", ["status"], registry=_registry
)


def count_answer(status: int) -> None:
    """Count one HTTP answer."""
    _answers.labels(str(status)).inc()


class _Stored(Collector):
    """Rows by state, read when Prometheus asks."""

    def __init__(self, database: Database, *, worker_alive: bool) -> None:
        self._database = database
        self._worker_alive = worker_alive

    def collect(self) -> Iterator[GaugeMetricFamily]:
        alive = GaugeMetricFamily("promptstone_worker_alive", "1 when a worker takes runs")
        alive.add_metric([], float(self._worker_alive))
        yield alive
        with self._database.read_scope() as session:
            for table, column in (("runs", "status"), ("jobs", "state")):
                query = text(f"SELECT {column}, count(*) FROM {table} GROUP BY 1")  # noqa: S608
                rows = session.connection().execute(query).all()
                yield _gauge(f"promptstone_{table}", column, ((row[0], row[1]) for row in rows))


def _gauge(name: str, label: str, rows: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, f"Rows by {label}", labels=[label])
    for value, count in rows:
        family.add_metric([value], count)
    return family


def exposition(database: Database, *, worker_alive: bool) -> bytes:
    """The text that a scrape gets."""
    stored = CollectorRegistry()
    stored.register(_Stored(database, worker_alive=worker_alive))
    return b"".join(map(generate_latest, (_registry, stored, apps)))
