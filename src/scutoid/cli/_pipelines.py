"""Load pipelines from files, and make flags from their signatures."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Annotated, get_args

from scutoid.errors import ParameterError, PipelineError, SourceNotFound
from scutoid.regular import check_regular

if TYPE_CHECKING:
    from scutoid.steps import Pipeline

_MODULE = "__scutoid_pipeline__"


def load_pipeline(text: str) -> Pipeline[..., object]:
    """Load ``FILE.py`` or ``FILE.py:name`` and return the pipeline in it.

    Raises
    ------
    SourceNotFound
        If there is no such file.
    PipelineError
        If it has no pipeline, or several and none is named.
    """
    name = ""
    path = Path(text)
    if not path.exists() and ":" in text:
        text, _, name = text.rpartition(":")
        path = Path(text)
    check_regular(path)
    if not path.is_file():
        raise SourceNotFound(
            "a pipeline is in a Python file",
            value=str(path),
            place=str(path.absolute().parent),
            remedy="check the path: scutoid run FILE.py --store DIR",
        )
    module = _load(path.absolute())
    from scutoid.steps import Pipeline

    pipelines = {key: value for key, value in vars(module).items() if isinstance(value, Pipeline)}
    if name:
        pipelines = {key: value for key, value in pipelines.items() if key == name}
    if len(pipelines) == 1:
        return next(iter(pipelines.values()))
    if not pipelines:
        raise PipelineError(
            f"the file has a pipeline {name!r}" if name else "the file has a pipeline",
            value="none",
            place=str(path),
            remedy="decorate the function that returns the results with @sc.pipeline",
        )
    raise PipelineError(
        "a file with several pipelines is given with the name of one",
        value=", ".join(pipelines),
        place=str(path),
        remedy=f"name one: {path}:{next(iter(pipelines))}",
    )


def _load(path: Path) -> ModuleType:
    import cloudpickle

    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise PipelineError(
            "a pipeline is in a Python file", value=path.suffix or "no ending", place=str(path)
        )
    sys.path.insert(0, str(path.parent))  # for modules beside it
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    # workers cannot import it by name
    cloudpickle.register_pickle_by_value(module)
    return module


def saved_parameters(pipeline: Pipeline[..., object], tokens: Sequence[str]) -> dict[str, object]:
    """Return the parameters in the file that the option ``--parameters`` names; none without it.

    They are needed before the flags are made: what the file has need not be given by a flag.

    Raises
    ------
    ScutoidError
        As `scutoid.read_parameters`.
    """
    from scutoid.steps import read_parameters

    flag = "--parameters"
    named = [text.partition("=")[2] for text in tokens if text.startswith(f"{flag}=")]
    named += [after for text, after in pairwise(tokens) if text == flag]
    if not named:
        return {}
    kinds = {item.name: item.annotation for item in pipeline.signature.parameters.values()}
    saved = read_parameters(named[-1], pipeline)
    return {name: _as_flag(value, kinds[name]) for name, value in saved.items()}


def _as_flag(value: object, annotation: object) -> object:
    """Return a value of a file as a flag gives it: JSON has no paths, and 2 may be meant as 2.0."""
    kinds = get_args(annotation) or (annotation,)
    if isinstance(value, str) and Path in kinds and str not in kinds:
        return Path(value)
    if type(value) is int and float in kinds and int not in kinds:
        return float(value)
    return value


def with_flags(
    pipeline: Pipeline[..., object],
    carry_out: Callable[..., int],
    *,
    command: str,
    saved: Mapping[str, object] = MappingProxyType({}),
) -> Callable[..., int]:
    """Return a function whose signature has the pipeline's parameters and the command's options.

    Parameters
    ----------
    pipeline : Pipeline
        Its parameters come first.
    carry_out : callable
        Called with the pipeline's keyword arguments as a dict, and the options by keyword.
    command : {"run", "submit", "plan", "why", "debug"}
        Chooses the options among the flags: for a run the workers, the executor, ...
    saved : mapping of str to value
        Parameters that a file has: what flags leave out.

    Raises
    ------
    ParameterError
        If a parameter of the pipeline has the name of an option.
    """
    from cyclopts import Parameter

    def option(name: str, kind: object, default: object, text: str) -> inspect.Parameter:
        about = Parameter(help=text, group="Options of scutoid")
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, about]
        )

    options = [
        option(
            "store",
            str,
            "results",
            "Folder or s3:// URL of the results, made if it is not there.",
        ),
        option(
            "parameters",
            Path | None,
            None,
            "File of parameters, as sc.tune saves it; flags come first.",
        ),
        option("block", int | None, None, "Block edge in voxels, for steps that do not give one."),
        option("memory", str | None, None, "Memory that all running blocks may take, as in 4GB."),
    ]
    if command != "debug":
        accepted = "Steps whose earlier result is good although it changed."
        options += [
            option(
                "paranoid", bool, False, "Read all input files again, whatever their times say."
            ),
            option("force", tuple[str, ...], (), "Steps to run again."),
            option("accept", tuple[str, ...], (), accepted),
        ]
    if command == "submit":
        options = [each for each in options if each.name not in ("force", "accept")]
        name = "Option of sbatch without its dashes, as in mem=16G; may be given again."
        notice = "Seconds before the time limit in which blocks are finished and handed back."
        options += [
            option("array", int, 10, "Number of elements of the job array."),
            option("cpus", int, 1, "Cores of each, and workers where these are not given."),
            option("time", str | None, None, "Time limit, as SLURM takes it, such as 4:00:00."),
            option("notice", int, 120, notice),
            option("sbatch", tuple[str, ...], (), name),
            option("dry_run", bool, False, "Print the script of an element, and submit nothing."),
        ]
    if command in ("run", "submit"):
        options += [
            option("workers", int | None, None, "Number of workers; default: the cores."),
            option("progress", bool, True, "Show how far it is: bars, or lines in a log."),
            option(
                *("executor", str | None, None),
                "Where blocks are computed: processes, threads, serial, dask, or the name of a "
                "preset, such as slurm; default: processes.",
            ),
            option("preset", Path | None, None, "File of presets, in place of your own."),
            option(
                "check_halo", bool, True, "Compare a block of new steps with one across its faces."
            ),
        ]
    if command == "run":
        share = "Do a share beside other processes that do theirs, as in 3/20: the third of twenty."
        again = "As an element of a job array: begin again after the time limit."
        options += [
            option("share", str | None, None, share),
            option("requeue", bool, False, again),
        ]
    if command == "plan":
        sample = "Run so many blocks of each step, which are kept, and say what the rest costs."
        options += [
            option("all_steps", bool, False, "Print a line for each step of an operation too."),
            option("time_sample", int | None, None, sample),
            option("workers", int, 1, "Number of workers that the cost is told for."),
        ]
    if command == "why":
        options.append(option("step", tuple[str, ...], (), "Names of steps; default: all."))
    if command == "debug":
        where = "Number of a block, its place as in 3,4,5, or key of a member; default: not done."
        options += [
            option(
                "step", str | None, None, "Name of the step; default: that of the first result."
            ),
            option("at", str | None, None, where),
            option("begin", bool, False, "Stop at the first line of the step's function."),
        ]
    options.append(option("debug", bool, False, "Show the traceback of an error."))
    names = {item.name for item in options}
    own = [_flag(item, pipeline, saved) for item in pipeline.signature.parameters.values()]
    clash = names & {item.name for item in own}
    if clash:
        raise ParameterError(
            f"a pipeline's parameters have other names than {', '.join(sorted(names))}",
            value=min(clash),
            place=f"pipeline {pipeline.name!r}",
            remedy="rename the parameter",
        )

    def call(**flags: object) -> int:
        chosen = {item.name: flags.pop(item.name, item.default) for item in options}
        return carry_out({**saved, **flags}, **chosen)

    call.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    call.__annotations__ = {item.name: item.annotation for item in (*own, *options)}
    call.__doc__ = inspect.getdoc(pipeline.function)
    return call


def _flag(
    item: inspect.Parameter, pipeline: Pipeline[..., object], saved: Mapping[str, object]
) -> inspect.Parameter:
    from cyclopts import Parameter

    if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
        raise ParameterError(
            "a pipeline names its parameters, for they become flags",
            value=str(item),
            place=f"pipeline {pipeline.name!r}",
        )
    annotation = item.annotation
    if annotation is item.empty:
        is_plain = isinstance(item.default, (bool, int, float, str))
        annotation = type(item.default) if is_plain else str
    # --voxel-size 2 1 1, and not --voxel-size 2 --voxel-size 1 --voxel-size 1
    several = Annotated[annotation, Parameter(consume_multiple=True)]  # type: ignore[valid-type]
    default = saved.get(item.name, item.default)
    return item.replace(kind=item.KEYWORD_ONLY, annotation=several, default=default)
