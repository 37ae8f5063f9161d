"""The console command `zparkd-web`: says what is missing where it was installed without [web]."""

import sys


def main() -> None:
    """Run zparkd-web."""
    try:
        from zparkd.web.main import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in ("starlette", "uvicorn"):
            raise
        sys.exit(f"zparkd-web: {missing.name} is missing; install the extra: pip install .[web]")
    run(prog_name="zparkd-web")


if __name__ == "__main__":
    main()
