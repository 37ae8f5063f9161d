"""The program log: loguru, one readable line an entry on standard error.

What is logged is decided where it happens; here only how it looks. Tracebacks carry no
variables, since keys and plates could be among them.
"""

import sys

from loguru import logger

_LINE = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <8} {message}"


def start_log() -> None:
    """Send the log of this process to standard error."""
    logger.remove()
    logger.add(sys.stderr, format=_LINE, level="INFO", backtrace=False, diagnose=False)
