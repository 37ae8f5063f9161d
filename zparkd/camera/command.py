"""The console command `zparkd-camera`: says what is missing where it was installed bare."""

import sys


def main() -> None:
    """Run zparkd-camera."""
    try:
        from zparkd.camera.main import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in ("starlette", "uvicorn", "paho"):
            raise
        sys.exit(
            f"zparkd-camera: {missing.name} is missing; install the extra: pip install .[camera]"
        )
    run(prog_name="zparkd-camera")


if __name__ == "__main__":
    main()
