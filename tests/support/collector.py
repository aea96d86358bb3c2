"""An OpenTelemetry collector on loopback that remembers the names of what OTLP brings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services


class Collector(services.TraceServiceServicer):
    """Names of spans in the order they came, and of the services they came from."""

    def __init__(self) -> None:
        self.url = ""
        self.names: list[str] = []
        self.services: set[str] = set()

    def Export(self, request: wire.ExportTraceServiceRequest, context: Any) -> Any:
        for resource in request.resource_spans:
            for pair in resource.resource.attributes:
                if pair.key == "service.name":
                    self.services.add(pair.value.string_value)
            for scope in resource.scope_spans:
                self.names += [span.name for span in scope.spans]
        return wire.ExportTraceServiceResponse()


@contextmanager
def collector() -> Iterator[Collector]:
    """Listens until the block ends."""
    found = Collector()
    listening = grpc.server(ThreadPoolExecutor(2))
    services.add_TraceServiceServicer_to_server(found, listening)
    found.url = f"http://127.0.0.1:{listening.add_insecure_port('127.0.0.1:0')}"
    listening.start()
    try:
        yield found
    finally:
        listening.stop(None).wait()
