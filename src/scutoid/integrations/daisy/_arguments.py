"""Checks of the arguments of a task, before anything runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from scutoid.errors import ParameterError
from scutoid.integrations.daisy._functions import asks_for_context, signature_of, takes_a_block

_WITHOUT_MEANING = {
    "resource_tracking": "the times of batches and of the slowest blocks are always kept",
    "max_worker_restarts": "the engine has its own limit for workers that keep dying",
    "init_callback_fn": "nothing is set up between the tasks and the workers",
}


def check_process_function(function: object, task: str) -> None:
    """Check that a worker could call a task's function.

    Raises
    ------
    ParameterError
        If it is no function, or wants other arguments than it gets.
    """
    rule = (
        "a process_function is called with a block, or without arguments, or with context= by "
        "keyword, and then takes blocks from a Client"
    )
    _check_call(function, rule, f"process_function of task {task!r}", may_own_loop=True)


def check_check_function(function: object, task: str) -> None:
    """Check that a worker could ask a task's function whether a block is done.

    Raises
    ------
    ParameterError
        If it is no function of one block.
    """
    _check_call(
        function, "a check_function is called with a block", f"check_function of task {task!r}"
    )


def _check_call(function: object, rule: str, place: str, *, may_own_loop: bool = False) -> None:
    why = f"{function!r} is no function"
    if callable(function):
        signature = signature_of(function)
        if signature is None:
            return
        has_own_loop = may_own_loop and not takes_a_block(function)
        told = {"context": None} if has_own_loop and asks_for_context(function) else {}
        try:
            signature.bind(*([] if has_own_loop else [None]), **told)
        except TypeError as error:
            why = f"{signature}: {error}"
        else:
            return
    raise ParameterError(
        rule,
        value=why,
        place=place,
        remedy="give what it needs besides by a closure, a default or functools.partial",
    )


def check_others(others: Mapping[str, object], task: str) -> None:
    """Warn of arguments of daisy's that mean nothing here.

    Raises
    ------
    ParameterError
        If one is none of daisy's.
    """
    for name in others:
        if name not in _WITHOUT_MEANING:
            raise ParameterError(
                "a task has daisy's arguments",
                value=name,
                place=f"task {task!r}",
                remedy="see docs/daisy.md for what each of them means here",
            )
        if others[name] not in (None, False):
            warnings.warn(
                f"task {task!r}: {name} has no meaning here: {_WITHOUT_MEANING[name]}",
                UserWarning,
                stacklevel=3,
            )
