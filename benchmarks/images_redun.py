"""The steps of the benchmark of folders as tasks of redun, whose workers import them by name."""

from pathlib import Path

from redun import File, task

from images_kernels import count, denoise, mask_of, read, write

redun_namespace = "images"


@task(executor="local")
def denoised(file: File, to: str) -> File:
    write(to, denoise(read(file.path)))
    return File(to)


@task(executor="local")
def masked(file: File, to: str) -> File:
    write(to, mask_of(read(file.path)))
    return File(to)


@task(executor="local")
def counted(file: File) -> int:
    return count(read(file.path))


@task()
def main(paths: list[str], folder: str) -> list[int]:
    found = []
    for path in paths:
        name = Path(path).name
        smooth = denoised(File(path), f"{folder}/s{name}")
        found.append(counted(masked(smooth, f"{folder}/m{name}")))
    return found
