"""Bootstrap intervals: how far a figure would move with other recordings."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

DRAWS = 1000


def bootstrap_interval(
    statistic: Callable[..., npt.ArrayLike], *sizes: int, draws: int = DRAWS
) -> npt.NDArray[np.float64]:
    """Return the 95 % interval of a statistic under drawing with replacement, shape (2, ...), lower end first.

    The draws are the same in every call. A draw in which the statistic is NaN does not count; if it is NaN in all
    draws, both ends are NaN.

    Args:
        statistic: a function of one index array per size; it returns a number or an array.
        sizes: how many units there are to draw from, for example recordings; several sizes are drawn independently.
        draws: how many times to draw.
    """
    rng = np.random.default_rng(0)
    drawn = [statistic(*(rng.integers(size, size=size) for size in sizes)) for _ in range(draws)]
    values = np.asarray(drawn, dtype=np.float64)
    ends = np.full((2, *values.shape[1:]), np.nan)
    defined = ~np.isnan(values).all(axis=0)
    ends[:, defined] = np.nanpercentile(values[:, defined], [2.5, 97.5], axis=0)
    return ends
