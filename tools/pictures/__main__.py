"""Draw the pictures of the docs, all or those that are named: python tools/pictures [NAME ...].

Each file beside this one draws some from simulated data, by ``draw(folder)``.  They need an X
display (xvfb-run) and Chromium.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
IMAGES = HERE.parents[1] / "docs" / "images"


def main(names: list[str]) -> int:
    """Draw each in a process of its own: windows and servers of one are gone before the next."""
    known = sorted(path.stem for path in HERE.glob("[!_]*.py"))
    unknown = set(names) - set(known)
    if unknown:
        print(f"there are {', '.join(known)}, not {min(unknown)}", file=sys.stderr)
        return 2
    IMAGES.mkdir(parents=True, exist_ok=True)
    code = (
        "import runpy, sys, pathlib; runpy.run_path(sys.argv[1])['draw'](pathlib.Path(sys.argv[2]))"
    )
    failed = []
    for name in names or known:
        print(name, flush=True)
        command = [sys.executable, "-c", code, str(HERE / f"{name}.py"), str(IMAGES)]
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"not drawn: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
