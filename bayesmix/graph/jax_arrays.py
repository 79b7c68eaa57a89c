"""The names that the source of a program uses, as functions of JAX, and the program compiled by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from bayesmix.graph.arrays import NUMPY, Sizes, functions_of

FAR_OUT = 20.0
"""From here on the asymptotic series of erfcx has all digits."""


@cache
def names() -> dict[str, Any]:
    """JAX's functions by the names of NumPy's; where to put a result is not for the program to say there."""
    import jax
    import jax.numpy as jnp
    from jax.scipy import special

    jax.config.update("jax_enable_x64", True)

    def erfcx(x: Any) -> Any:
        """exp(x^2) erfc(x); far out by its asymptotic series, where the two factors would be 0 and infinite."""
        near, far = jnp.minimum(x, FAR_OUT), jnp.maximum(x, FAR_OUT)
        y = 1.0 / (2.0 * far * far)
        series = 1.0 - y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y * (1.0 - 9.0 * y))))
        close = jnp.exp(near * near + np.log(2.0) + special.log_ndtr(-near * np.sqrt(2.0)))
        return jnp.where(x > FAR_OUT, series / (far * np.sqrt(np.pi)), close)

    def split(x: Any, axis: int, sizes: Any) -> list[Any]:
        return jnp.split(x, np.cumsum(np.asarray(sizes))[:-1].astype(int), axis=axis)

    own = {
        "add_up": lambda x, axes: jnp.sum(x, axis=axes),
        "multiply_up": lambda x, axes: jnp.prod(x, axis=axes),
        "largest": lambda x, axes: jnp.max(x, axis=axes),
        "smallest": lambda x, axes: jnp.min(x, axis=axes),
        "put_at": lambda x, at, y: jnp.asarray(x).at[at].set(y),
        "add_at": lambda x, at, y: jnp.asarray(x).at[at].add(y),
        "filled": lambda x, y: jnp.broadcast_to(y, jnp.broadcast_shapes(jnp.shape(x), jnp.shape(y))),
        "split": split,
        "cholesky": jnp.linalg.cholesky,
        "inverse": jnp.linalg.inv,
        "determinant": jnp.linalg.det,
    }
    out = {k: _without_out(getattr(jnp, k)) for k in NUMPY if callable(getattr(jnp, k, None))}
    out |= {k: _without_out(getattr(special, k)) for k in ("expit", "erf", "erfc", "gammaln", "digamma")}
    out |= {"trigamma": lambda x, out=None: special.polygamma(1, x), "erfcx": _without_out(erfcx)}
    out |= {"softplus": _without_out(jax.nn.softplus), "host": np, "inf": np.inf, "nan": np.nan}
    return out | own


def _without_out(function: Callable) -> Callable:
    def called(*arguments: Any, out: Any = None, **settings: Any) -> Any:
        return function(*arguments, **settings)

    return called


def jitted(text: str, given: Callable) -> Callable:
    """The program of a source, compiled by JAX for each shape of the data; sizes stay numbers."""
    import jax

    _, at = functions_of(text, names())
    programs: dict[tuple, Callable] = {}

    def program(arguments: list[Any]) -> Callable[[Any], list[Any]]:
        with np.errstate(all="ignore"):
            held = given(*arguments)
        moving = [k for k, x in enumerate(held) if isinstance(x, np.ndarray) and not isinstance(x, Sizes)]
        rest = {k: x for k, x in enumerate(held) if k not in moving}
        key = tuple((k, (x.shape, x.tobytes()) if isinstance(x, Sizes) else x) for k, x in rest.items())
        if key not in programs:

            def traced(theta: Any, *arrays: Any) -> list[Any]:
                all_of_them = rest | dict(zip(moving, arrays, strict=True))
                return at(theta, *(all_of_them[k] for k in range(len(all_of_them))))

            programs[key] = jax.jit(traced)
        function, arrays = programs[key], [jax.device_put(held[k]) for k in moving]
        return lambda theta: [np.asarray(x) for x in function(theta, *arrays)]

    return program
