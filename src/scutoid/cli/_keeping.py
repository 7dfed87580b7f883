"""Commands that keep a store in order, and copy results out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from scutoid.cli._results import several, tell_missing
from scutoid.cli._say import say
from scutoid.errors import ParameterError


def verify(*, store: str = "results", heal: bool = True) -> int:
    """Read and check all stored results, and remove damaged ones so that they are made again.

    Parameters
    ----------
    store : str
        Folder of the results.
    heal : bool
        Whether damaged results are removed; --no-heal only reports them.
    """
    from scutoid.steps import Store

    report = Store(store).verify(heal=heal)
    say(report)
    return 0 if report.ok else 1


def gc(
    *,
    store: str = "results",
    older_than: str | None = None,
    keep_runs: int | None = None,
    max_size: str | None = None,
    dry_run: bool = False,
) -> int:
    """Remove results that are no longer needed, and leftovers of killed runs.

    Parameters
    ----------
    store : str
        Folder of the results.
    older_than : str, optional
        Results that no run has used for so long may go, such as 30d or 12h.
    keep_runs : int, optional
        Results that the last so many runs needed stay; all others may go.
    max_size : str, optional
        The results unused for longest go until the store is no larger, such as 100GB.
    dry_run : bool
        Only print what would go.
    """
    from scutoid.steps import Store

    collected = Store(store).gc(
        older_than=older_than, keep_runs=keep_runs, max_size=max_size, dry_run=dry_run
    )
    say(collected)
    return 0


def du(*, store: str = "results") -> int:
    """Print the size of the results of each step, the largest first.

    Parameters
    ----------
    store : str
        Folder of the results.
    """
    from scutoid.steps import Store

    sizes = Store(store).du()
    for name, nbytes in {**sizes, "in all": sum(sizes.values())}.items():
        say(f"{nbytes / 1e6:12.1f} MB  {name}")
    return 0


def export(
    step: str,
    path: str,
    *,
    store: str = "results",
    output: int = 1,
    partial: Literal["error", "allow"] = "error",
    labels: Sequence[str] = (),
    tables: Sequence[str] = (),
) -> int:
    """Write a copy of the newest result of a step to a path, or update a copy there.

    Parameters
    ----------
    step : str
        Name of the step, as 'scutoid ls' lists it.
    path : str
        Its ending sets the format: .csv, .parquet, .json, .npy, .png, .tif, .ome.zarr, or none for
        a folder.  Members of a collection are named by columns of their groups and by their keys
        where it has placeholders: 'qc/{well}_{site:02d}.png', 'qc/{key}.png'.
    store : str
        Folder of the results.
    output : int
        Number of the output, for a step with several; 1 is the first.
    partial : {"error", "allow"}
        What becomes of members that a run did not finish: an error and exit code 1, or they are
        left out.
    labels : str
        Steps whose labels are written within images that are exported as .ome.zarr, as STEP or
        NAME=STEP; may be given several times.
    tables : str
        The same for steps whose tables are written within them.
    """
    from scutoid.steps import Store
    from scutoid.steps import export as export_result
    from scutoid.steps.handles import Collection

    results = several(Store(store)[step])
    if not 1 <= output <= len(results):
        raise ParameterError(f"the step has outputs 1 to {len(results)}", value=output, place=step)
    chosen = results[output - 1]
    if isinstance(chosen, Collection):
        tell_missing(chosen, partial)
    say(
        export_result(
            chosen,
            path,
            labels=_within(labels, store),
            tables=_within(tables, store),
            partial=partial,
        )
    )
    return 0


def _within(given: Sequence[str], store: str) -> dict[str, Any] | None:
    """Return the results that are written within images, by the names that they get there."""
    from scutoid.steps import Store

    steps = {name: step or name for name, _, step in (text.partition("=") for text in given)}
    return {name: several(Store(store)[step])[0] for name, step in steps.items()} or None
