"""Addresses of schedulers, and credentials for them, that no time can help."""

from __future__ import annotations

import math

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import BlockGrid, BlockTask, connect, run_blocks
from scutoid.errors import ParameterError
from scutoid.executors import _dask_join as join
from scutoid.geometry import Roi

distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')

SECONDS = 600  # of patience: nothing here may wait for it
PARTS = {"ca_file": "ca.pem", "client_cert": "cert.pem", "client_key": "key.pem"}


def files_of(security, folder):
    """Write the credentials of a client into files."""
    folder.mkdir()
    config = security.get_tls_config_for_role("client")
    for part, file in PARTS.items():
        (folder / file).write_text(config[part.removeprefix("client_")])
    return folder


def options(authority, own):
    folders = {"ca_file": authority, "client_cert": own, "client_key": own}
    return {part: str(folders[part] / file) for part, file in PARTS.items()}


def security_of(given):
    parts = {f"tls_{part}": file for part, file in given.items()}
    return distributed.security.Security(**parts, require_encryption=True)


def configured(given):
    """Dask's configuration with credentials."""
    import dask

    names = {part: part.replace("client_", "client.").replace("_", "-") for part in PARTS}
    tls = {f"distributed.comm.tls.{names[part]}": file for part, file in given.items()}
    return dask.config.set(tls)


@pytest.fixture(scope="module")
def right():
    return distributed.security.Security.temporary()


@pytest.fixture(scope="module")
def cluster(right):
    with distributed.LocalCluster(
        n_workers=0, security=right, dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


@pytest.fixture
def wrong(right, tmp_path):
    """Files of credentials, by what is wrong with them; and the file that is at fault."""
    ours = files_of(right, tmp_path / "right")
    other = files_of(distributed.security.Security.temporary(), tmp_path / "other")
    return {
        "of another cluster": (options(other, other), other / "ca.pem"),
        "another authority": (options(other, ours), other / "ca.pem"),
        "another certificate": (options(ours, other), other / "cert.pem"),
    }


class NoClient:
    def __init__(self, *arguments, **options):
        raise AssertionError("a client was made")


WRONG = ["of another cluster", "another authority", "another certificate"]


def as_guest(address, given):
    connect(address, security=security_of(given), patience=SECONDS)


def as_waiting_guest(address, given):
    with configured(given):
        connect(address, patience=SECONDS)


def as_run(address, given):
    task = BlockTask("t", lambda block: None, BlockGrid(Roi((0,), (2,)), 1))
    with configured(given):
        run_blocks(task, executor=address)


def as_session(address, given):
    with configured(given):
        sc.session(executor=address)


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("way", [as_guest, as_run, as_session])
def test_credentials_of_another_cluster_are_refused_at_once_by_their_file(
    way, kind, cluster, wrong, monkeypatch
):
    monkeypatch.setattr(join.time, "sleep", None)  # nobody tries again
    given, file = wrong[kind]
    message = rf"(?s)certificates of one authority.*{file}.*{cluster.scheduler_address}"
    with pytest.raises(ParameterError, match=message):
        way(cluster.scheduler_address, given)


@pytest.mark.parametrize("way", [as_guest, as_run])
def test_a_scheduler_without_tls_is_told_from_one_with_other_credentials(way, tmp_path, right):
    given = options(*[files_of(right, tmp_path / "right")] * 2)
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=50
    ) as plain:
        address = plain.scheduler_address.replace("tcp://", "tls://")
        with pytest.raises(ParameterError, match="speaks TLS"):
            way(address, given)


@pytest.mark.parametrize("way", [as_guest, as_run, as_session])
def test_files_that_cannot_be_read_are_named(way, tmp_path):
    given = options(tmp_path / "none", tmp_path / "none")
    with pytest.raises(ParameterError, match=rf"(?s)can be read.*authority '{tmp_path}/none/ca"):
        way("tls://node7.invalid:8786", given)


def test_a_run_into_a_store_begins_nothing_at_an_address_without_credentials(tmp_path):
    smooth = sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1)
    with pytest.raises(ParameterError, match="a certificate, a key and their authority"):
        sc.run(smooth, store=tmp_path / "store", executor="tls://node7.invalid:8786")
    assert not list(tmp_path.glob("store/runs/*"))
    assert not list(tmp_path.glob("store/gaussian/*"))


BAD = ["127.0.0.1", "127.0.0.1:none", "127.0.0.1:0", "127.0.0.1:99999", ":8786", "", "[::1:3"]


@pytest.mark.parametrize("rest", BAD)
@pytest.mark.parametrize("scheme", ["tls", "tcp"])
@pytest.mark.parametrize("way", [as_waiting_guest, as_run])
def test_an_address_without_a_host_and_a_port_is_refused(way, scheme, rest, monkeypatch):
    monkeypatch.setattr(distributed, "Client", NoClient)
    with pytest.raises(ParameterError, match=rf"(?s)a host and a port.*{scheme}://node3:8786"):
        way(f"{scheme}://{rest}", {})


def test_a_run_knows_the_addresses_that_dask_knows(monkeypatch):
    monkeypatch.setattr(distributed, "Client", NoClient)
    with pytest.raises(ParameterError, match=r"(?s)begins as Dask has it.*http://node7:8787"):
        as_run("http://node7:8787", {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"file": 3}, "given by its path"),
        ({"file": b"run.json"}, "given by its path"),
        ({"tasks": "predict"}, r"tasks=\['predict'\]"),
        ({"tasks": []}, "a list of their names"),
        ({"tasks": [3]}, "a list of their names"),
        ({"patience": math.nan}, "a number of seconds"),
        ({"patience": -1}, "a number of seconds"),
        ({"patience": "60"}, "a number of seconds"),
    ],
)
def test_what_is_no_argument_is_refused_at_once(arguments, message):
    with pytest.raises(ParameterError, match=message):
        connect(**({"file": "none.json", "patience": SECONDS} | arguments))
