"""Name code in keys by the module it first stood in, so that moving a module changes no key."""

from __future__ import annotations

_FIRST_MODULES = {
    "scutoid.blocks._batch_sizer": "scutoid.blocks._pace",
    "scutoid.blocks._ready_queue": "scutoid.blocks._cursor",
    "scutoid.blocks._task_progress": "scutoid.blocks._course",
    "scutoid.executors._dask_job": "scutoid.executors._dask_errand",
    "scutoid.executors._heartbeat": "scutoid.executors._beacon",
    "scutoid.executors._rendezvous": "scutoid.executors._meeting",
    "scutoid.ops._affine_blocks": "scutoid.pipeline._affine",
    "scutoid.ops._match_grid": "scutoid.pipeline._like",
    "scutoid.steps.compute._parts": "scutoid.pipeline._parts",
    "scutoid.steps.declaration._block": "scutoid.pipeline._compute",
    "scutoid.steps.declaration._length": "scutoid.pipeline._length",
    "scutoid.steps.graph._refs": "scutoid.pipeline._collections",
    "scutoid.steps.handles._collections": "scutoid.pipeline._collections",
    "scutoid.steps.handles._decorators": "scutoid.pipeline._decorators",
    "scutoid.steps.handles._export": "scutoid.pipeline._export",
    "scutoid.steps.handles._open": "scutoid.pipeline._open",
    "scutoid.steps.handles._open_folder": "scutoid.pipeline._open",
    "scutoid.steps.handles._operation_options": "scutoid.pipeline._options",
    "scutoid.steps.handles._per_member": "scutoid.pipeline._open",
    "scutoid.steps.handles._pipeline": "scutoid.pipeline._pipeline",
    "scutoid.steps.handles._single": "scutoid.pipeline._lazy",
    "scutoid.steps.handles._step": "scutoid.pipeline._decorators",
    "scutoid.steps.handles._store": "scutoid.pipeline._store",
    "scutoid.steps.handles._substitute": "scutoid.pipeline._given",
    "scutoid.steps.layout._output_grid": "scutoid.pipeline._grids",
    "scutoid.steps.layout._where": "scutoid.pipeline._where",
    "scutoid.steps.planning._plan": "scutoid.pipeline._plan",
    "scutoid.steps.running._outcome": "scutoid.pipeline._outcome",
    "scutoid.steps.running._run": "scutoid.pipeline._run",
    "scutoid.store._any_lock": "scutoid.store._lock",
    "scutoid.store.formats._images": "scutoid.store._format_images",
    "scutoid.store.formats._registry": "scutoid.store._formats",
    "scutoid.store.formats._tables": "scutoid.store._format_tables",
    "scutoid.store.formats._values": "scutoid.store._format_values",
    "scutoid.store.keys._describe": "scutoid.store._canonical",
    "scutoid.store.keys._digest": "scutoid.store._canonical",
    "scutoid.store.keys._encoder": "scutoid.store._canonical",
    "scutoid.store.keys._files": "scutoid.store._entry",
    "scutoid.store.keys._fingerprint": "scutoid.store._fingerprint",
    "scutoid.store.keys._installed": "scutoid.store._fingerprint",
    "scutoid.store.keys._input_hashes": "scutoid.store._inputs",
    "scutoid.store.keys._ownership": "scutoid.store._ownership",
    "scutoid.store.keys._specs": "scutoid.store._fingerprint",
    "scutoid.store.keys._walk": "scutoid.store._fingerprint",
}
"""The first module of those that moved; a key "module:name" stands over one "module"."""


def first_module(module: str, name: str) -> str:
    """Return the module that a function or class of scutoid stood in when keys were first made.

    Parameters
    ----------
    module : str
        Where it stands now; one of another package is returned as it is.
    name : str
        Its qualified name.

    Examples
    --------
    >>> first_module("scutoid.store.keys._digest", "canonical_digest")
    'scutoid.store._canonical'
    >>> first_module("numpy", "sin")
    'numpy'
    """
    return _FIRST_MODULES.get(f"{module}:{name}") or _FIRST_MODULES.get(module, module)
