"""The load generator measures what it says; its figures are not judged here."""

from __future__ import annotations

import socket

import pytest

from benchmarks.serve import clients, rough, slow, table
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


@pytest.mark.slow
def test_a_bystander_is_watched_beside_slow_senders(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "SIDE", 500)
    found = awaited(slow._beside_slow(service.port, 1.0, 2))
    assert set(found["statuses"]) == set(found["slow"]) == {"200"}
    assert 0 < found["p50"] <= found["p95"] <= found["longest"]


def test_the_table_has_a_row_for_each() -> None:
    load = clients.Load(8, {"200": 90, "429": 10}, 45.0, 20.0, 50.0, 60.0, 30.0, 500.0, 600.0, 510.0)
    refused = {"kind": "hostile photos", "statuses": {"422": 3}, "before": 1.0, "largest": 2.0, "after": 1.0}
    stop = {"statuses": {"200": 5, "503": 8}, "seconds": 1.2}
    watched = {"senders": 8, "p50": 0.4, "p95": 1.5, "longest": 2.0, "statuses": {"200": 9}, "slow": {"503": 2}}
    facts = {"loads": [load], "rough": [refused | {"errors after": 0}], "slow": [watched], "stop": stop}
    said = table.table(facts)
    assert "| 8 | 0.40 s | 1.50 s | 2.00 s | 9 x 200 | 2 x 503 |" in said.splitlines()
    row = "| 8 | 10 of 100 | 20 ms | 50 ms | 45.0 | 60.0 | 0.75 | 30.0 | 1.50 | 500 MB | 600 MB | 510 MB |"
    assert row in said.splitlines()
    assert "| hostile photos | 3 x 422 | 1 MB | 2 MB | 1 MB | 0 |" in said
    assert "5 x 200, 8 x 503; 0 of the accepted lost; ended after 1.2 s." in said
