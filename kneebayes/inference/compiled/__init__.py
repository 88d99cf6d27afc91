"""The compiled passes of inference, for many cases; nothing outside the room imports them."""


def is_off() -> bool:
    """Say whether numba is told not to compile (``NUMBA_DISABLE_JIT``): NumPy then does all."""
    from numba.core import config  # here, because it takes a while

    return bool(vars(config)["DISABLE_JIT"])
