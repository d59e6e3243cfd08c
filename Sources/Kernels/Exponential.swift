import CKernels

/// e^x by Cody and Waite: x = (n + j / parts) ln 2 + r with n and j whole, e^x = 2^n 2^(j / parts) e^r.  e^r - 1 is a polynomial.
/// Coefficients: Tests/coefficients/exponential.sollya.
enum Exponential {
    /// What depends on the format.
    struct Constants {
        /// Steps of a binade: float has a table of 2^(j/4), whose short r costs two terms less and rounds four times finer.
        let parts: Double
        /// 1.5 * 2^(fraction bits): adding it rounds to an integer, which then stands in the low bits.
        let magic: Double
        /// ln 2 / parts in two numbers, the first so short that its products with steps are exact.
        let stepHi, stepLo: Double
        let bias: Double
        /// Less counts as this: its exponential is 0 in the format.
        let smallest: Double
        /// Beyond this size a score is taken relative to the maximum before the reduction, whose products stay exact below.
        let farthest: Double
        /// e^-reach is below the normal range.
        var reach: Double { 16 - smallest }
    }

    /// Binades by which what exponentials stand relative to lies below the largest.  At the bottom of the format each loses less
    /// than 2^-20 of the smallest normal number, a million classes less than one of it together; and a factor that is subnormal,
    /// times an exponential of up to 2^21, still loses but an eighth.
    @_transparent static var headroom: Double { 20 }
    /// 2^-headroom
    @_transparent static var underHeadroom: Double { 0x1p-20 }

    /// The steps nearest to x, `magic` included, and what is left of x.
    @_transparent static func reduce<V: Arithmetic>(_ x: V) -> (steps: V, exact: V, r: V) {
        let c = V.exponential, magic = V(c.magic)
        let steps = x.times(V(c.parts * 0x1.71547652b82fep+0), plus: magic)
        let n = steps - magic
        let exact = n.times(V(-c.stepHi), plus: x)
        return (steps, exact, n.times(V(-c.stepLo), plus: exact))
    }

    /// The whole binades of x: n of e^x = 2^n m with m from 1 to 2, so that what is relative to 2^n is not larger than what is
    /// relative to e^x, and underflows no earlier.
    @_transparent static func binades<V: Arithmetic>(_ x: V) -> V {
        (x.times(V(0x1.71547652b82fep+0), plus: V(-0.5)) + V(V.exponential.magic)) - V(V.exponential.magic)
    }

    /// e^x, in the format's normal range.
    @_transparent static func plain<V: Arithmetic>(_ x: V) -> V {
        let (steps, _, r) = reduce(x)
        let scale = V.power(steps)
        return V.expm1(r, steps: steps).times(scale, plus: scale)
    }

    /// e^x 2^-n for `origin` = n parts, x no more than a binade above n ln 2: about one ulp of error however large x and
    /// n are, 0 (or less than the least normal number) where the quotient is below the normal range.
    @_transparent static func relative<V: Arithmetic>(_ x: V, to origin: V, lowest: V) -> V {
        let c = V.exponential
        let (steps, _, r) = reduce(x.atLeast(lowest))
        let scale = V.power((steps - origin).atLeast(V(c.magic - c.bias * c.parts)))
        return V.expm1(r, steps: steps).times(scale, plus: scale)
    }
}

extension Singles {
    /// Products with steps are exact: stepHi has 13 significant bits and |steps| < 2^11 (scores up to `farthest`).
    @_transparent static var exponential: Exponential.Constants {
        .init(parts: 4, magic: 0x1.8p23, stepHi: 0x1.62ep-3, stepLo: 0x1.0bfbe8p-17, bias: 127, smallest: -88, farthest: 256)
    }

    /// e^-x for x >= 0 as hi + lo, relative error below 2^-27; 0 (or less than FLT_MIN) below the normal range, NaN for NaN.
    @_transparent static func exp(minus x: Self) -> Pair<Self> {
        let (steps, _, r) = Exponential.reduce((-x).atLeast(Self(exponential.smallest)))
        let rest = expm1(r, steps: steps), scale = power(steps)
        let hi = rest.times(scale, plus: scale)
        return Pair(hi, rest.times(scale, plus: scale - hi))
    }

    /// e^r - 1 for |r| <= ln(2)/8, and what 2^(j/4) lost in rounding.
    @_transparent static func expm1(_ r: Self, steps: Self) -> Self {
        let low = steps.pick(0, 0x1.125002p-25, 0x1.26055cp-26, -0x1.f9c306p-27)
        let tail = Polynomial.horner(r, 0x1.fffffep-2, 0x1.556dfcp-3, 0x1.55748p-5)
        return (r * r).times(tail, plus: r + low)
    }
}

extension Doubles {
    /// Products with steps are exact: stepHi has 41 significant bits and |steps| < 2^12.
    @_transparent static var exponential: Exponential.Constants {
        .init(
            parts: 1, magic: 0x1.8p52 + 1023, stepHi: 0x1.62e42fefa3p-1, stepLo: 0x1.3de6af278ece6p-42, bias: 1023,
            smallest: -709, farthest: 2048)
    }

    /// As that of float, relative error .15 of half an ulp: what r and the sums lose goes into lo.
    @_transparent static func exp(minus x: Self) -> Pair<Self> {
        let (steps, exact, r) = Exponential.reduce((-x).atLeast(Self(exponential.smallest)))
        let lost = (steps - Self(exponential.magic)).times(Self(-exponential.stepLo), plus: exact - r)
        let bend = r * r * expTail(r)
        let rest = r + bend
        let sum = one + rest
        let low = ((rest - (sum - one)) + (bend - (rest - r))) + lost
        let scale = power(steps)
        return Pair(sum * scale, low * scale)
    }

    /// e^r - 1 for |r| <= ln(2)/2.
    @_transparent static func expm1(_ r: Self, steps: Self) -> Self { (r * r).times(expTail(r), plus: r) }

    /// 2^steps: the bias stands in `magic`.
    @_transparent static func power(_ steps: Self) -> Self { Self(focal_power_doubles(steps.v)) }

    /// (e^r - 1 - r) / r^2
    @_transparent private static func expTail(_ r: Self) -> Self {
        Polynomial.degree9(
            r, 0x1.0000000000001p-1, 0x1.5555555555558p-3, 0x1.5555555553cb8p-5, 0x1.111111110f8cbp-7,
            0x1.6c16c178bac58p-10, 0x1.a01a01afc2249p-13, 0x1.a019b877dd29fp-16, 0x1.71ddf762c3ce8p-19,
            0x1.289221116d37bp-22, 0x1.af620c5ddb50cp-26)
    }
}
