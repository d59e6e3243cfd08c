"""Focal losses from their definition, in arbitrary precision: the oracle that the library is held against.

Nothing here is taken from the kernels.  A probability is an exponential over the sum of the exponentials, a loss is
what `include/focalloss.h` says of it, and derivatives come from automatic differentiation (`jets`), never from a closed
form.  The one closed form is the Gauss-Newton matrix, which is no derivative: the header defines it by its formula.

    jets        numbers that carry their first two derivatives
    definition  the losses, written once for every kind of number
    sigmoid     one element: loss, gradient, Hessian
    softmax     one sample: loss, gradient, Hessian, probabilities
    sizes       the sizes of the terms, which the error bounds are stated in
    calls       whole calls: layouts, ignored elements, weights, reductions, in the names of `focal_args`

Everything is mpmath at `PRECISION` bits, about 60 digits (gmpy2, where installed, makes it several times faster).
"""

import mpmath

PRECISION = 200
mpmath.mp.prec = PRECISION
