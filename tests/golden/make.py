"""Make a golden store: a small store as scutoid wrote it at one time, which must stay readable.

    PYTHONPATH=<a checkout of that time>/src python tests/golden/make.py

There is one for each rule of keys.  That of rule 1 was made with the code of commit f58ec9a, which
wrote no versions into its records; that of rule 2 with the commit that brought the rule.  Make one
again only to add to it, and with that code: a store that is made by today's code proves nothing.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import scutoid as sc
import scutoid.store

HERE = Path(__file__).parent
STORE = HERE / f"rule_{getattr(scutoid.store, 'KEY_RULE', 1)}"
OPTIONS = {"store": STORE, "executor": "serial", "workers": 1}


def load_pipeline():
    """Load the pipeline under the name that its keys have in them."""
    spec = importlib.util.spec_from_file_location("golden_pipeline", HERE / "pipeline.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def make(pipeline, plate):
    """Run everything, some of it with a failure, some of it accepted from an earlier run."""
    sc.run(*pipeline.image_targets().values(), **OPTIONS)
    sc.run(pipeline.first_lift(), **OPTIONS)
    sc.run(pipeline.accepted_lift(), accept=["lifted"], **OPTIONS)
    pipeline.write_plate(plate, is_changed=False)
    sc.run(pipeline.folder_targets(plate)["dimmed"], **OPTIONS)
    pipeline.write_plate(plate)
    sc.run(*pipeline.folder_targets(plate).values(), accept=["dimmed"], **OPTIONS)
    pipeline.is_broken = True
    sc.run(pipeline.partial_target(), on_failure="return", **OPTIONS)


def main():
    """Make the store; what tells of this machine is left out."""
    platform.node = lambda: "golden"
    uuid.uuid1 = lambda: uuid.UUID(int=0)  # stands in a TIFF, and is made of the network address
    shutil.rmtree(STORE, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        make(load_pipeline(), Path(folder) / "plate")
    (STORE / ".input-hashes").unlink(missing_ok=True)
    for lock in STORE.rglob(".locks"):
        lock.unlink()
    for log in STORE.glob("runs/*/events.jsonl"):  # tracebacks name the folders of this machine
        text = log.read_text(encoding="utf-8").replace(str(HERE), "tests/golden")
        log.write_text(text.replace(str(Path(sc.__file__).parent), "scutoid"), encoding="utf-8")


if __name__ == "__main__":
    main()
