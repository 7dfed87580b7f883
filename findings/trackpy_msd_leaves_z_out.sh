#!/usr/bin/env bash
# trackpy links particles along z, y and x, and measures how far they went along y and x alone.
#
# Versions: trackpy 0.7, numpy 2.4.6, pandas 3.1.1, scipy 1.17.1 (December 2026).
#
# `tp.link` takes a column `z` into account where the table has one, and so does `tp.compute_drift`; `tp.locate` of a stack gives
# such a table. `tp.imsd`, `tp.emsd`, `tp.proximity` and `tp.diagonal_size` of the same table take x and y, without a word: a particle
# that moves along z by 2 a frame has a mean squared displacement of 0 at each lag, and one that moves as fast along x has 4.
# `pos_columns=["z", "y", "x"]` gives both 4.
#
# Why it matters: diffusion constants of a 3-D series come out at two thirds, and what moves along z (into a channel, through
# a membrane) stands still. Nothing is NaN, and a test on a film of one plane passes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check trackpy==0.7 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
cd "$folder"
cat > show.py <<'PY'
import pandas as pd
import trackpy as tp

tp.quiet()
near = pd.DataFrame({"frame": range(5), "z": [0.0, 2, 4, 6, 8], "y": 0.0, "x": 0.0})  # moves along z
far = pd.DataFrame({"frame": range(5), "z": 0.0, "y": 50.0, "x": [50.0, 52, 54, 56, 58]})  # moves along x
tracks = tp.link(pd.concat([near, far], ignore_index=True), search_range=5)
drift = tp.compute_drift(tracks)
print(f"linked: {tracks.particle.nunique()} particles of 5 frames; drift along {sorted(drift.columns)}, {drift.z.iloc[-1]:.0f} in z")
lone = tp.link(pd.DataFrame({"frame": 0, "z": [0.0, 20], "y": 0.0, "x": 0.0}), search_range=5)
print(f"nearest other particle, 20 above: {[round(float(one)) for one in tp.proximity(lone).proximity]}")
extent = {name: tp.diagonal_size(one) for name, one in tracks.groupby(tracks.y > 25)}
print(f"extent: along z {extent[False]:.0f}, along x {extent[True]:.0f}")
for columns in (None, ["z", "y", "x"]):
    each = tp.imsd(tracks, 1, 1, pos_columns=columns).round(6)
    along_x = int(tracks.particle[tracks.y > 25].iloc[0])
    print(f"pos_columns={columns}: along z {each[1 - along_x].tolist()}, along x {each[along_x].tolist()},", end=" ")
    print(f"mean {tp.emsd(tracks, 1, 1, pos_columns=columns).round(6).tolist()}")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
linked: 2 particles of 5 frames; drift along ['x', 'y', 'z'], 4 in z
nearest other particle, 20 above: [0, 0]
extent: along z 0, along x 8
pos_columns=None: along z [0.0, 0.0, 0.0, 0.0], along x [4.0, 16.0, 36.0, 64.0], mean [2.0, 8.0, 18.0, 32.0]
pos_columns=['z', 'y', 'x']: along z [4.0, 16.0, 36.0, 64.0], along x [4.0, 16.0, 36.0, 64.0], mean [4.0, 16.0, 36.0, 64.0]
TXT
cat seen.txt
diff expected.txt seen.txt
