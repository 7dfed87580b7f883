"""SLURM on this machine alone: a controller, one node and munge, all on the loop-back interface.

::

    munged  <--- socket in the folder --->  slurmctld  <--- 127.0.0.1 --->  slurmd  --->  jobs

All that they write lies in one folder, and they end by their numbers.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "scontrol")
# Looks at what waits as soon as something has changed; otherwise every two seconds at the most
_SCHEDULING = "sched_interval=2,sched_min_interval=100000,batch_sched_delay=0,requeue_delay=1"
_START_SECONDS = 120.0
_END_SECONDS = 60.0


def missing():
    """Return the programs of SLURM that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


class OneNode:
    """A batch system of one node, which pretends to have some cores and gigabytes.

    Parameters
    ----------
    folder : Path
        A new one.
    cores : int
        That jobs can have together.
    gigabytes : int
        The same of memory; nothing keeps jobs from taking more.
    """

    def __init__(self, folder: Path, *, cores: int = 8, gigabytes: int = 16) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._stack = ExitStack()
        self._asked = 0.0
        self._cores = cores
        self._megabytes = gigabytes * 1000

    @property
    def environment(self):
        """What a process needs that talks to this batch system and no other."""
        return {"SLURM_CONF": str(self.configuration), "PATH": _path()}

    def __enter__(self):
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            self._write()
            self._start("munged", *self._munge_options())
            self._wait("munged", (self.folder / "munge.socket").exists)
            self._start("slurmctld", "-D", "-f", str(self.configuration))
            self._start("slurmd", "-D", "-f", str(self.configuration))
            self._wait("slurmd", lambda: "idle" in self.ask("sinfo", "--noheader"))
            undo.pop_all()
        return self

    def __exit__(self, *of):
        try:
            with suppress(subprocess.SubprocessError, TimeoutError):
                self.ask("scancel", "--state=PENDING", f"--user={getpass.getuser()}")
                self.ask("scancel", f"--user={getpass.getuser()}")
                self._wait("slurmd", lambda: not self.jobs(), _END_SECONDS)
        finally:
            self._stack.close()

    def ask(self, *command):
        """Return what a command says; what it complains of is not looked at."""
        return subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=_END_SECONDS,
            check=False,
        ).stdout

    def jobs(self, *states):
        """Return the numbers of jobs that are not over, or are in one of some states."""
        # Who waits asks again and again, and each answer takes a process the cores of the jobs
        time.sleep(max(self._asked + 0.1 - time.monotonic(), 0))
        self._asked = time.monotonic()
        only = (f"--states={','.join(states)}",) if states else ()
        return self.ask("squeue", "--noheader", "--format=%A", *only).split()

    def last_words(self):
        """Return the ends of what the programs have written."""
        logs = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)

    def _write(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        host, user = socket.gethostname().partition(".")[0], getpass.getuser()
        options = {
            "ClusterName": "here",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": _free_port(),
            "SlurmdPort": _free_port(),
            "AuthType": "auth/munge",
            "CredType": "cred/munge",
            "AuthInfo": f"socket={self.folder}/munge.socket",
            "SlurmUser": user,
            "SlurmdUser": user,
            "StateSaveLocation": f"{self.folder}/state",
            "SlurmdSpoolDir": f"{self.folder}/spool",
            "SlurmctldPidFile": f"{self.folder}/slurmctld.pid",
            "SlurmdPidFile": f"{self.folder}/slurmd.pid",
            "SlurmctldLogFile": f"{self.folder}/slurmctld.log",
            "SlurmdLogFile": f"{self.folder}/slurmd.log",
            "ProctrackType": "proctrack/pgid",
            "TaskPlugin": "task/none",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "JobAcctGatherType": "jobacct_gather/none",
            "CommunicationParameters": "NoInAddrAny",
            "ReturnToService": 2,
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "SlurmdParameters": "config_overrides",
            "JobRequeue": 1,
            "KillWait": 5,
            "MinJobAge": 300,
            "OverTimeLimit": 0,
            "SchedulerParameters": _SCHEDULING,
            "SlurmctldTimeout": 30,
        }
        node = f"NodeName={host} NodeAddr=127.0.0.1 CPUs={self._cores} "
        node += f"RealMemory={self._megabytes} State=UNKNOWN"
        queue = "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
        lines = [f"{name}={value}" for name, value in options.items()]
        self.configuration.write_text("\n".join([*lines, node, queue, ""]))

    def _munge_options(self):
        files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
        named = [f"--{option}={self.folder}/munge.{end}" for option, end in files.items()]
        return ["--foreground", "--force", f"--log-file={self.folder}/munge.log", *named]

    def _start(self, *command):
        with (self.folder / f"{command[0]}.out").open("wb") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", *command],  # it ends with this process, too
                env=os.environ | self.environment,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        self._stack.callback(_end, process)

    def _wait(self, what, condition, seconds=_START_SECONDS):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come to it\n{self.last_words()}")
            time.sleep(0.1)


def _end(process):
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _path():
    """Where commands are looked for: also where those are that administrators give."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
