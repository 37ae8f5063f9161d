"""Real servers for the tests of the fleet: one PostgreSQL for all, a database and a NATS each."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fleet.rig import Rig
from zparkd.testbed.servers import NatsServer, PostgresServer, missing_servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    missing = missing_servers()
    if missing is not None:
        pytest.skip(missing)
    server = PostgresServer(durable=False).start()
    yield server
    server.stop()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """An empty database: where to connect to."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fleet")
        yield postgres.dsn.rpartition("/")[0] + "/fleet"
        connection.execute("DROP DATABASE fleet WITH (FORCE)")


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    missing = missing_servers()
    if missing is not None:
        pytest.skip(missing)
    server = NatsServer(tmp_path / "nats").start()
    yield server
    server.stop()


@pytest.fixture
def rig(tmp_path: Path, nats_server: NatsServer, database: str) -> Iterator[Rig]:
    """Both servers, and what runs on them; all of it ends with the test."""
    made = Rig(tmp_path, nats_server, database)
    yield made
    made.stop()
