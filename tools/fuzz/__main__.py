"""Read damaged files of all formats, and count what is raised, hangs or ends its process.

Each format has a good file, which a seed damages: bits, cuts, headers of other formats, values of
odd types in JSON.  An input is read, or refused by an error of scutoid's; all else is a fault::

    .venv/bin/python tools/fuzz --inputs 20000 --seed 0 --jobs 2
    .venv/bin/python tools/fuzz npy "zarr 3" --each 200            by format, or by module
    .venv/bin/python tools/fuzz npy --seed 17 --inputs 1 --show    one input, with what was said
    .venv/bin/python tools/fuzz npy --seed 17 --keep a             leaves it in a folder, unread

The exit code is 1 if there was a fault.  Linux only.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from campaign import FAULTS, RAW, READ, REFUSED, Limits, inputs_of, make_input, prepare, read_all
from formats import formats_of

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # a process that is forked has one thread
    "OMP_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "SCUTOID_REPORT": "off",
}
_LOADED = (
    *("scutoid", "scutoid.reports", "scutoid.ops", "tensorstore", "zarr", "tifffile", "imageio.v3"),
    *(
        "PIL.Image",
        "PIL.PngImagePlugin",
        "PIL.JpegImagePlugin",
        "PIL.BmpImagePlugin",
        "imagecodecs",
    ),
    *("pandas", "pyarrow.parquet", "nd2", "liffile", "pylibCZIrw.czi"),
)
"""What children need, and would else load anew each."""


def main(arguments: list[str]) -> int:
    """Read as many inputs as asked for; print faults, and a line of figures at the end."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("formats", nargs="*", help="names of formats or modules; default: all")
    parser.add_argument("--inputs", type=int, default=200, help="in all, spread over the formats")
    parser.add_argument("--each", type=int, help="of each format, in the place of --inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1, help="inputs that one process reads")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--show", action="store_true", help="print what came of each input")
    parser.add_argument("--keep", type=Path, help="make the input of --seed in a folder, unread")
    asked = parser.parse_args(arguments)
    os.environ.update(_ENVIRONMENT)
    formats = formats_of(asked.formats)
    for name in () if asked.keep else _LOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    each = asked.each or -(-asked.inputs // len(formats))
    limits = Limits(seconds=asked.seconds, batch=asked.batch)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        folder = Path(scratch)
        prepare(formats, folder)
        if asked.keep:
            for name in formats:
                print(*make_input(formats, name, asked.seed, folder, asked.keep / name))
            return 0
        inputs = inputs_of(list(formats), each, asked.seed)
        for result in read_all(formats, inputs, folder, limits, asked.jobs):
            is_good = result.seed < 0
            outcome = RAW if is_good and result.outcome == REFUSED else result.outcome
            counts[outcome] += not is_good or outcome in FAULTS
            if asked.show or outcome in FAULTS:
                said = f"{result.how} -> {outcome}: {result.said}"
                print(f"{result.name} {result.seed}: {said}", flush=True)
    words = [f"{counts[word]} {word}" for word in (READ, REFUSED, *FAULTS)]
    print(f"fuzz: {each * len(formats)} inputs of {len(formats)} formats: {', '.join(words)}")
    return 1 if any(counts[word] for word in FAULTS) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
