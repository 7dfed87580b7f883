"""Graphics devices of a worker's process: each worker of a node or job has one of its own.

::

    CUDA_VISIBLE_DEVICES=0,1,2,3     as the batch system has set it, the same for all of a job
    worker 0 --- locks 0-0           and sees 0
    worker 1 --- locks 1-0           and sees 1

Locks are the kernel's: they end with the process that has them, however it ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from scutoid.errors import ParameterError

RESOURCE = "gpu"
"""The resource whose workers have devices of their own."""

_logger = logging.getLogger(__name__)

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_DRIVER = Path("/proc/driver/nvidia/gpus")
# Devices have the same numbers in each job where a batch system shows it no others.
_JOBS = ("SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID", "JOB_ID")
_MOST_TOGETHER = 64

# Locks of this process, which has them as long as it lives.
_held: list[int] = []


def pin_devices(n: int) -> None:
    """Let this process see some devices that no other worker has, once and for all.

    Where there are fewer than workers want, each has one that as few as possible have.  Nothing is
    done where there is none.

    Parameters
    ----------
    n : int
        Number of devices.

    Raises
    ------
    ParameterError
        If the folder of the locks is somebody else's.
    """
    if _held or n < 1:
        return
    devices = _visible()
    chosen: list[str] = []
    for together in range(_MOST_TOGETHER if devices else 0):
        for device in devices:
            is_wanted = len(chosen) < min(n, len(devices)) and device not in chosen
            if is_wanted and _lock(device, together):
                chosen.append(device)
                if together:
                    _logger.warning("device %s is shared by %d workers", device, together + 1)
    if chosen:
        os.environ[_VARIABLE] = ",".join(chosen)


def _visible() -> Sequence[str]:
    """The devices that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    said = os.environ.get(_VARIABLE)
    if said is not None:
        return [part.strip() for part in said.split(",") if part.strip() not in ("", "-1")]
    with suppress(OSError):
        return [str(number) for number in range(len(list(_DRIVER.iterdir())))]
    return []


def _lock(device: str, together: int) -> bool:
    job = next((os.environ[name] for name in _JOBS if os.environ.get(name)), "")
    file = _folder() / quote(f"{job}-{device}-{together}", safe="")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"scutoid-devices-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ParameterError(
            "locks of devices lie in a folder of one's own",
            value="it belongs to another user",
            place=str(folder),
            remedy="set TMPDIR to a folder of your own",
        )
    return folder
