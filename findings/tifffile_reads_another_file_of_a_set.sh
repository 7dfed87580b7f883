#!/usr/bin/env bash
# tifffile gives the pixels of another file where an image of an OME-TIFF set lies in a file of its own.
#
# Versions: tifffile 2026.3.3, numpy 2.4.6 (November 2026).
#
# A set of two files, each with the same OME-XML of two Images: Image 0 lies in a.ome.tif, Image 1 in b.ome.tif,
# named by their UUIDs, three planes each. TiffFile("a.ome.tif").series[1] has the pages of
# b.ome.tif, and page by page they are right. asarray() of the series is not: planes that follow one another
# are read in one go from their offset, and the file is that which was opened, so that the voxels are those
# of a.ome.tif, without a warning. Compressed, the same series is right.
#
# Why it matters: positions of an experiment are written as one Image and one file each, uncompressed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
cat > show.py <<'PY'
import numpy as np
import tifffile

FILES = {"a.ome.tif": ("urn:uuid:a1", 11), "b.ome.tif": ("urn:uuid:b2", 22)}


def image(number, name, uuid):
    planes = "".join(
        f'<TiffData IFD="{z}" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">{uuid}</UUID></TiffData>'
        for z in range(3)
    )
    return (
        f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint8" SizeX="8" '
        f'SizeY="6" SizeZ="3" SizeC="1" SizeT="1"><Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>{planes}'
        "</Pixels></Image>"
    )


images = "".join(image(n, name, uuid) for n, (name, (uuid, _)) in enumerate(FILES.items()))
for compression in (None, "zlib"):
    for name, (uuid, value) in FILES.items():
        xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">{images}</OME>'
        tifffile.imwrite(
            name, np.full((3, 6, 8), value, "uint8"), photometric="minisblack", metadata=None, description=xml,
            compression=compression,
        )
    print("compression:", compression)
    for opened, (_, value) in FILES.items():
        with tifffile.TiffFile(opened) as tif:
            for number, (written, (_, right)) in enumerate(FILES.items()):
                series = tif.series[number]
                pages = sorted({int(v) for page in series.pages for v in np.unique(page.asarray())})
                whole = [int(v) for v in np.unique(series.asarray())]
                print(f"  {opened}, series {number}, written {right}: page by page {pages}, the series {whole}")
PY
"$folder/env/bin/python" -W ignore show.py > seen.txt
cat > expected.txt <<'TXT'
compression: None
  a.ome.tif, series 0, written 11: page by page [11], the series [11]
  a.ome.tif, series 1, written 22: page by page [22], the series [11]
  b.ome.tif, series 0, written 11: page by page [11], the series [22]
  b.ome.tif, series 1, written 22: page by page [22], the series [22]
compression: zlib
  a.ome.tif, series 0, written 11: page by page [11], the series [11]
  a.ome.tif, series 1, written 22: page by page [22], the series [22]
  b.ome.tif, series 0, written 11: page by page [11], the series [11]
  b.ome.tif, series 1, written 22: page by page [22], the series [22]
TXT
cat seen.txt
diff expected.txt seen.txt
