#!/usr/bin/env bash
# tensorstore reads a precomputed volume that CloudVolume wrote to a disk as zeros, and leaves two copies when it writes there.
#
# Versions: cloud-volume 12.15.2, tensorstore 0.1.86, numpy 2.4.6 (November 2026).
#
# In a bucket a compressed chunk has its plain name, and a header says gzip. On a disk, which has no headers, CloudVolume by
# default adds .gz to the name (.br, .zstd). The format knows no such name. tensorstore opens the volume by its info file,
# shape, type and voxel offset are right, every chunk is absent, and absent chunks are zeros: no error, no warning. What it then
# writes lies beside the older chunk, and CloudVolume reads the new one. With compress=False all is right.
#
# Why it matters: labels of such a volume that are counted, cropped or converted through tensorstore are an empty image, of
# the right size. The same volume in a bucket is read whole.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    cloud-volume==12.15.2 tensorstore==0.1.86 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import pathlib

import numpy as np
import tensorstore
from cloudvolume import CloudVolume


def by_tensorstore(name):
    folder = pathlib.Path(name).resolve()
    return tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}/"}).result()


image = np.random.default_rng(0).integers(1, 100, (32, 32, 16)).astype("uint8")
for name, options in {"default": {}, "zstd": {"compress": "zstd"}, "none": {"compress": False}}.items():
    CloudVolume.from_numpy(
        image, f"file://{name}", resolution=(4, 5, 6), voxel_offset=(10, 20, 30), chunk_size=(32, 32, 16),
        layer_type="image", encoding="raw", progress=False, **options,
    )
    chunks = sorted(path.name for path in pathlib.Path(name, "4_5_6").iterdir())
    found = by_tensorstore(name)
    voxels = np.asarray(found[..., 0].read().result())
    again = np.asarray(CloudVolume(f"file://{name}", progress=False)[...])[..., 0]
    print(f"{name}: chunks {chunks}, CloudVolume {'right' if np.array_equal(again, image) else 'wrong'},", end=" ")
    print(f"tensorstore from {found.domain.origin[:3]}: largest {voxels.max()} of {image.max()}")

found = by_tensorstore("default")
found[...].write(np.full(found.shape, 7, "uint8")).result()
print("after tensorstore wrote 7:", sorted(path.name for path in pathlib.Path("default", "4_5_6").iterdir()))
print("CloudVolume reads", np.unique(CloudVolume("file://default", progress=False)[...]).tolist())
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
default: chunks ['10-42_20-52_30-46.gz'], CloudVolume right, tensorstore from (10, 20, 30): largest 0 of 99
zstd: chunks ['10-42_20-52_30-46.zstd'], CloudVolume right, tensorstore from (10, 20, 30): largest 0 of 99
none: chunks ['10-42_20-52_30-46'], CloudVolume right, tensorstore from (10, 20, 30): largest 99 of 99
after tensorstore wrote 7: ['10-42_20-52_30-46', '10-42_20-52_30-46.gz']
CloudVolume reads [7]
TXT
cat seen.txt
diff expected.txt seen.txt
