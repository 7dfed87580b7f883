#!/usr/bin/env bash
# SimpleITK's median of an object depends on the brightest voxel of the whole image, and can lie outside the object's values.
#
# Versions: SimpleITK 2.5.7, numpy 2.4.6 (November 2026).
#
# LabelIntensityStatisticsImageFilter and LabelStatisticsImageFilter take the median from a histogram of 128 and 256 bins
# between the least and the largest value of the image. One saturated voxel anywhere makes bins of 512 and 256 grey
# levels: objects of 200 and of 300 get one median, and with the former it is 356, above the maximum that the same filter
# returns. ITK by itself has had a bin for each value of an image of 16 bits since 2021; SimpleITK sets 128 all the same.
# With SetNumberOfBins(65536) the former is right within one grey level; the latter has no such setting.
# Mean, minimum, maximum and standard deviation are right in both.
#
# Why it matters: the median is asked for where outliers must not count. Here a hot pixel outside of all objects decides
# it, and two populations of cells become one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check SimpleITK==2.5.7 numpy==2.4.6
cat > "$folder/show.py" <<'PY'
import numpy as np
import SimpleITK as sitk

labels = np.zeros((40, 40), "uint8")
labels[5:15, 5:15], labels[20:35, 20:35] = 1, 2
image = np.array([100, 200, 300], "uint16")[labels]


def show(name, statistics):
    for label in (1, 2):
        median, low, high = statistics.GetMedian(label), statistics.GetMinimum(label), statistics.GetMaximum(label)
        print(f"{name}, object {label}: mean {statistics.GetMean(label):.0f}, median {median:.0f}, from {low:.0f} to {high:.0f}")


for brightest in (300, 65535):
    image[0, 0] = brightest
    print("brightest voxel of the image:", brightest)
    for bins in (None, 65536):
        one = sitk.LabelIntensityStatisticsImageFilter()
        if bins:
            one.SetNumberOfBins(bins)
        one.Execute(sitk.GetImageFromArray(labels), sitk.GetImageFromArray(image))
        show(f"LabelIntensityStatistics, {one.GetNumberOfBins()} bins", one)
    other = sitk.LabelStatisticsImageFilter()
    other.Execute(sitk.GetImageFromArray(image), sitk.GetImageFromArray(labels))
    show("LabelStatistics", other)
PY
"$folder/env/bin/python" "$folder/show.py" > "$folder/seen.txt"
cat > "$folder/expected.txt" <<'TXT'
brightest voxel of the image: 300
LabelIntensityStatistics, 128 bins, object 1: mean 200, median 201, from 200 to 200
LabelIntensityStatistics, 128 bins, object 2: mean 300, median 299, from 300 to 300
LabelIntensityStatistics, 65536 bins, object 1: mean 200, median 200, from 200 to 200
LabelIntensityStatistics, 65536 bins, object 2: mean 300, median 300, from 300 to 300
LabelStatistics, object 1: mean 200, median 200, from 200 to 200
LabelStatistics, object 2: mean 300, median 300, from 300 to 300
brightest voxel of the image: 65535
LabelIntensityStatistics, 128 bins, object 1: mean 200, median 356, from 200 to 200
LabelIntensityStatistics, 128 bins, object 2: mean 300, median 356, from 300 to 300
LabelIntensityStatistics, 65536 bins, object 1: mean 200, median 200, from 200 to 200
LabelIntensityStatistics, 65536 bins, object 2: mean 300, median 300, from 300 to 300
LabelStatistics, object 1: mean 200, median 228, from 200 to 200
LabelStatistics, object 2: mean 300, median 228, from 300 to 300
TXT
cat "$folder/seen.txt"
diff "$folder/expected.txt" "$folder/seen.txt"
