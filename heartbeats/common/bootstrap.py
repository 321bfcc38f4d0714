"""Bootstrap confidence intervals over recordings or patients."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

DRAWS = 1000


def with_interval(value: float, low: float, high: float) -> str:
    """Return a value and the ends of its interval as text."""
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def interval_over(
    units: npt.NDArray[np.str_], statistic: Callable[[npt.NDArray[np.intp]], npt.ArrayLike], draws: int = DRAWS
) -> npt.NDArray[np.float64]:
    """Return the 95 % bootstrap interval of a statistic of rows. A draw takes all rows of a unit.

    Args:
        units: the unit of each row, for example a recording's patient, shape (rows,).
        statistic: takes the numbers of rows, with repeats; returns a number or an array.
        draws: the number of draws.
    """
    unique, place = np.unique(units, return_inverse=True)

    def of_units(drawn: npt.NDArray[np.intp]) -> npt.ArrayLike:
        return statistic(np.repeat(np.arange(len(place)), np.bincount(drawn, minlength=len(unique))[place]))

    return bootstrap_interval(of_units, len(unique), draws=draws)


def bootstrap_interval(
    statistic: Callable[..., npt.ArrayLike], *sizes: int, draws: int = DRAWS
) -> npt.NDArray[np.float64]:
    """Return the 95 % bootstrap interval of a statistic, shape (2, ...): lower end, upper end.

    Every call uses the same random draws. NaN draws are ignored; if all draws are NaN, both ends are NaN.

    Args:
        statistic: takes one array of indices per size; returns a number or an array.
        sizes: the numbers of units, for example recordings. Several sizes are drawn independently.
        draws: the number of draws.
    """
    rng = np.random.default_rng(0)
    drawn = [statistic(*(rng.integers(size, size=size) for size in sizes)) for _ in range(draws)]
    values = np.asarray(drawn, dtype=np.float64)
    ends = np.full((2, *values.shape[1:]), np.nan)
    defined = ~np.isnan(values).all(axis=0)
    ends[:, defined] = np.nanpercentile(values[:, defined], [2.5, 97.5], axis=0)
    return ends
