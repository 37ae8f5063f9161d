"""Writers that wait for each answer, and readers that look until something is there."""

import threading
import time
from collections.abc import Callable

import psutil

from benchmarks.load import Times

EVENT = "x" * 300  # bytes, as long as an event of zparkd


def closed_loop(write: Callable[[], Callable[[str], None]], count: int, threads: int) -> Times:
    """`count` events by as many writers as `threads`, each made by `write` for its own use."""
    taken: list[float] = []

    def work(writer: Callable[[str], None]) -> None:
        for number in range(count // threads):
            began = time.perf_counter()
            writer(f"{number}{EVENT}")
            taken.append(time.perf_counter() - began)

    writers = [write() for _ in range(threads)]
    running = [threading.Thread(target=work, args=(writer,)) for writer in writers]
    begin = time.perf_counter()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return Times.of(taken, time.perf_counter() - begin)


def seen_p50(write: Callable[[str], None], held: Callable[[], int], count: int) -> float:
    """From writing here until it is held there (s); `held` counts what is there."""
    delays = []
    for number in range(count):
        before = held()
        began = time.perf_counter()
        write(f"{number}{EVENT}")
        while held() == before:
            time.sleep(0.0001)
        delays.append(time.perf_counter() - began)
    return sorted(delays)[count // 2]


def memory_mb(*pids: int) -> float:
    """What these processes and their children hold resident, shared pages shared out."""
    total = 0
    for pid in pids:
        top = psutil.Process(pid)
        for process in [top, *top.children(recursive=True)]:
            total += process.memory_full_info().pss
    return total / 1e6
