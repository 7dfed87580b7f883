#!/usr/bin/env bash
# trimesh's surface of a voxel grid lies in voxels, and the grid itself, its points and its boxes in units.
#
# Versions: trimesh 5.2.0, scikit-image 0.26.0, numpy 2.4.6, scipy 1.17.1 (December 2026).
#
# `VoxelGrid(mask, transform=...)` holds the size of a voxel and the place of the first one. `volume`, `bounds`, `points`,
# `as_boxes()` and `is_filled()` follow it. `marching_cubes`, documented as "representing the current voxel object", does not: of
# voxels of 4 x 2 x 1 at (100, 0, 0) the mesh lies at the origin, its sides are 20 long, and its volume is an
# eighth. `grid.marching_cubes.apply_transform(grid.transform)` is where it belongs.
#
# Why it matters: stacks of a light-sheet microscope have voxels that are longer along z. The surface of a cell is flat,
# lies elsewhere than its points, and areas, volumes and distances from it are wrong by the size of the voxel.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    trimesh==5.2.0 scikit-image==0.26.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"
cat > show.py <<'PY'
import numpy as np
import trimesh

mask = np.zeros((24, 24, 24), bool)
mask[2:22, 2:22, 2:22] = True  # 20 voxels along each axis
size_and_place = np.diag([4.0, 2.0, 1.0, 1.0])
size_and_place[:3, 3] = [100, 0, 0]
grid = trimesh.voxel.VoxelGrid(mask, transform=size_and_place)


def said(name, bounds, volume):
    print(f"{name}: from {bounds[0].tolist()} to {bounds[1].tolist()}, volume {volume:.0f}")


said("grid", grid.bounds, grid.volume)
boxes = grid.as_boxes()
said("as_boxes", boxes.bounds, boxes.volume)
points = np.asarray(grid.points)
print(f"points: from {points.min(0).tolist()} to {points.max(0).tolist()}")
surface = grid.marching_cubes
said("marching_cubes", surface.bounds, surface.volume)
moved = surface.copy().apply_transform(grid.transform)
said("marching_cubes, transformed", moved.bounds, moved.volume)
inside = trimesh.proximity.ProximityQuery(surface).vertex(points)[0].min()
print(f"nearest point of the grid to its surface: {inside:.1f}")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
grid: from [106.0, 3.0, 1.5] to [186.0, 43.0, 21.5], volume 64000
as_boxes: from [106.0, 3.0, 1.5] to [186.0, 43.0, 21.5], volume 64000
points: from [108.0, 4.0, 2.0] to [184.0, 42.0, 21.0]
marching_cubes: from [1.5, 1.5, 1.5] to [21.5, 21.5, 21.5], volume 7971
marching_cubes, transformed: from [106.0, 3.0, 1.5] to [186.0, 43.0, 21.5], volume 63765
nearest point of the grid to its surface: 86.5
TXT
cat seen.txt
diff expected.txt seen.txt
