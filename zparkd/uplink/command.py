"""The console command `zparkd-uplink`: says what is missing where it was installed bare."""

import sys


def main() -> None:
    """Run zparkd-uplink."""
    try:
        from zparkd.uplink.main import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in ("nats",):
            raise
        sys.exit(
            f"zparkd-uplink: {missing.name} is missing; install the extra: pip install .[uplink]"
        )
    run(prog_name="zparkd-uplink")


if __name__ == "__main__":
    main()
