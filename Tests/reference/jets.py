"""Second-order jets: a number with its first two derivatives along one direction.

Automatic differentiation by Taylor coefficients: `Jet(a, b, c)` is a + b h + c h^2, so that the first derivative is b
and the second 2 c.  Values are mpf; every operation keeps full relative precision in each coefficient unless terms
cancel in truth.
"""

from mpmath import mp, mpf


class Jet:
    __slots__ = ("value", "first", "second")

    def __init__(self, value, first=0, second=0):
        self.value, self.first, self.second = value, first, second

    @classmethod
    def exponential(cls, value):
        """exp along its own argument, given its value: all derivatives are the value itself."""
        return cls(value, value, value / 2)

    def __add__(self, other):
        other = lift(other)
        return Jet(self.value + other.value, self.first + other.first, self.second + other.second)

    __radd__ = __add__

    def __neg__(self):
        return Jet(-self.value, -self.first, -self.second)

    def __sub__(self, other):
        return self + -lift(other)

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.first * other, self.second * other)
        return Jet(
            self.value * other.value,
            self.value * other.first + self.first * other.value,
            self.value * other.second + self.first * other.first + self.second * other.value,
        )

    __rmul__ = __mul__

    def __truediv__(self, other):
        """By the recurrence of quotient * other == self, coefficient by coefficient."""
        other = lift(other)
        value = self.value / other.value
        first = (self.first - value * other.first) / other.value
        second = (self.second - value * other.second - first * other.first) / other.value
        return Jet(value, first, second)

    def compose(self, value, first, second):
        """g(self), from g's own Taylor coefficients at self.value."""
        return Jet(value, first * self.first, first * self.second + second * self.first * self.first)

    def log1p(self):
        slope = 1 / (1 + self.value)
        return self.compose(mp.log1p(self.value), slope, -slope * slope / 2)

    def log(self):
        slope = 1 / self.value
        return self.compose(mp.log(self.value), slope, -slope * slope / 2)

    def power(self, exponent):
        """self ** exponent for a base >= 0; 0 ** 0 is 1, and a coefficient of 0 kills what it multiplies."""
        exponent, base = mpf(exponent), self.value
        value = base**exponent if exponent else mpf(1)
        if base:
            first = exponent * value / base
            return self.compose(value, first, (exponent - 1) * first / (2 * base))
        first, second = (
            mp.inf * coefficient if coefficient and exponent < order else coefficient * (exponent == order)
            for order, coefficient in ((1, exponent), (2, exponent * (exponent - 1) / 2))
        )
        return self.compose(value, first, second)

    def __abs__(self):
        return -self if self.value < 0 else self


def lift(number):
    """A constant as a jet."""
    return number if isinstance(number, Jet) else Jet(number)
