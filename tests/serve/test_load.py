"""The load generator measures what it says; its figures are not judged here."""

from __future__ import annotations

import socket

from benchmarks.serve import clients, rough
from tests.conftest import awaited
from tests.serve.running import Running


def test_clients_count_every_request(service: Running) -> None:
    found = awaited(clients._load(service.port, 4, 0.5))
    said = service.get("/metrics").text
    answered = next(line for line in said.splitlines() if line.startswith('gallop_requests_total{route="/predict",'))
    assert found.statuses == {"200": int(float(answered.rsplit(" ", 1)[1]))}
    assert 0 < found.p50 <= found.p95
    assert found.errors == 0
    assert 0 < found.rate <= found.statuses["200"] / 0.5


def test_rough_senders_are_all_told(service: Running) -> None:
    assert rough._gone(service.port) == {"hung up": 200}
    assert set(rough._hostile(service.port)) == {"413", "422"}
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(clients.request(b"no photo"))
        assert rough._told(connection) == "422"
