"""A worker that is counted; the first one ends, without an error, after a single block."""

import sys
import time
from pathlib import Path

import daisy
from filelock import FileLock

folder = Path(sys.argv[1])
with FileLock(folder / "count.lock"):
    counter = folder / "worker_count"
    number = int(counter.read_text()) + 1
    counter.write_text(str(number))

client = daisy.Client()
while True:
    with client.acquire_block() as block:
        if block is None:
            break
        time.sleep(0 if number == 1 else 0.5)
    if number == 1:
        break
