#!/usr/bin/env bash
# numpy.save and tofile that come short of room raise an OSError whose errno is None.
#
# Versions: numpy 2.4.6 (November 2026).
#
# A full disk, a used-up quota and a limit of file sizes are told by errno (ENOSPC, EDQUOT, EFBIG) wherever Python writes.
# ndarray.tofile, which numpy.save takes for files, raises OSError("... requested and ... written") without it, so
# `error.errno == errno.ENOSPC` is False. It is shown by a limit of file sizes; a file system that fills up gives the same.
#
# Why it matters: what waits or stops at a full disk goes by errno, and takes this for a fault of one file: it is tried
# again, for each of thousands.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import errno
import resource
import signal

import numpy as np

image = np.zeros(10_000, "uint8")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for name, write in {
    "write": lambda: open("image.bin", "wb", buffering=0).write(image) and open("image.bin", "ab", buffering=0).write(image),
    "tofile": lambda: image.tofile("image.bin"),
    "save": lambda: np.save("image.npy", image),
}.items():
    try:
        write()
    except OSError as error:
        print(name, errno.errorcode.get(error.errno), error.args[-1])
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
write EFBIG File too large
tofile None 10000 requested and 4096 written
save None 10000 requested and 3968 written
TXT
cat seen.txt
diff expected.txt seen.txt
