"""How long to wait before another try."""

import random

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 3600.0


def retry_delay(
    attempts: int, randomness: random.Random, *, first_s: float = FIRST_RETRY_S, longest_s: float = LONGEST_RETRY_S
) -> float:
    """
    Seconds until the next try after `attempts` failed ones: doubling, with half of it jittered.

    Source: "equal jitter" in Exponential Backoff And Jitter, M. Brooker, AWS Architecture Blog, 2015.
    """
    ceiling = min(longest_s, first_s * 2.0 ** (attempts - 1))
    return ceiling / 2 + randomness.uniform(0, ceiling / 2)
