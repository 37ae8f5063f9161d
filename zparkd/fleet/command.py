"""The console command `zparkd-fleet`: says what is missing where it was installed bare."""

import sys


def main() -> None:
    """Run zparkd-fleet."""
    try:
        from zparkd.fleet.main import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in ("nats", "psycopg", "psycopg_pool"):
            raise
        sys.exit(
            f"zparkd-fleet: {missing.name} is missing; install the extra: pip install .[fleet]"
        )
    run(prog_name="zparkd-fleet")


if __name__ == "__main__":
    main()
