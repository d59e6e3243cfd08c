"""How much precision a score needs; infinite logits, and probabilities of exactly 0 and 1, as limits far out.

At `FAR` everything that tends to zero or to infinity has passed every finite double by hundreds of digits, and what
tends to a constant has reached it.
"""

from mpmath import mp, mpf

from reference import PRECISION

FAR = mpf(10) ** 400  # stands for an infinite logit
LOG2_NEAR = -(10**400)  # 2 to this stands for the probability 0
BEYOND = mpf(10) ** 300  # past every float64 that a limit could be compared with
FLUSHED = 800.0  # exp(-800) is below half of the smallest float64, and so is what scales with it


def precision(spread):
    """Bits for scores this far apart: derivatives as small as exp(-spread) are left over from terms of size one."""
    spread = abs(spread)
    return PRECISION + int(1.45 * (spread if spread < FLUSHED else FLUSHED))


def settle(number):
    """The limit that a value taken far out stands for."""
    if abs(number) > BEYOND:
        return mp.inf * mp.sign(number)
    return mpf(0) if abs(number) < 1 / BEYOND else number
