"""A worker that holds a lock with its number as long as it lives."""

import sys
import time
from pathlib import Path

import daisy
from filelock import FileLock

client = daisy.Client()
with FileLock(Path(sys.argv[1]) / f"worker_{client.worker_id}.lock"):
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            time.sleep(0.1)
