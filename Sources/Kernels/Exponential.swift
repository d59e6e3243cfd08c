/// e^x by Cody and Waite: x = n ln 2 + r, |r| <= ln(2)/2, e^x = 2^n e^r, with e^r - 1 - r as a polynomial of r^2.
/// Coefficients: Tests/coefficients/exponential.sollya (absolute error .13 and .11 of half an ulp of 1).
enum Exponential {
    /// What depends on the format.  `magic` is 1.5 * 2^(fraction bits) + bias: adding it rounds to an integer and leaves
    /// n + bias in the low bits, from where one shift makes the exponent field of 2^n.
    struct Constants {
        let log2e, magic, bias, ln2Hi, ln2Lo, smallest: Double
        /// Beyond this size a score is taken relative to the maximum before the reduction, whose products stay exact below.
        let farthest: Double
        /// e^-reach is below the normal range.
        var reach: Double { 16 - smallest }
    }

    /// e^x for x <= 0 as hi + lo, relative error near that of the polynomial, .15 of half an ulp: what r and the last sum lose
    /// goes into lo.  0 below the normal range; NaN for NaN.
    @_transparent static func negative<V: Lanes>(_ x: V) -> Pair<V> {
        let c = V.exponential
        let bounded = x.atLeast(V(c.smallest))
        let shifted = bounded.times(V(c.log2e), plus: V(c.magic))
        let n = shifted - V(c.magic)
        let exact = n.times(V(-c.ln2Hi), plus: bounded)
        let r = n.times(V(-c.ln2Lo), plus: exact)
        let lost = n.times(V(-c.ln2Lo), plus: exact - r)
        let bend = r * r * V.exponentialTail(r)
        let rest = r + bend
        let sum = V.one + rest
        let low = ((rest - (sum - V.one)) + (bend - (rest - r))) + lost
        let scale = shifted.powerOfTwo
        return Pair(sum * scale, low * scale)
    }

    /// n of x = n ln 2 + r, plus `magic`.
    @_transparent static func steps<V: Lanes>(_ x: V) -> V {
        x.times(V(V.exponential.log2e), plus: V(V.exponential.magic))
    }

    /// e^x 2^-n for a reference n as `steps` gives it (magic included), x no more than half a step above it: one rounding of
    /// error however large x and n are, 0 where the quotient is below the normal range.
    @_transparent static func relative<V: Lanes>(_ x: V, to reference: V, lowest: V) -> V {
        let c = V.exponential
        let bounded = x.atLeast(lowest)
        let shifted = steps(bounded)
        let n = shifted - V(c.magic)
        let r = n.times(V(-c.ln2Lo), plus: n.times(V(-c.ln2Hi), plus: bounded))
        let sum = V.one + (r * r).times(V.exponentialTail(r), plus: r)
        return sum * ((shifted - reference) + V(c.magic)).atLeast(V(c.magic - c.bias)).powerOfTwo
    }
}

extension F32x16 {
    /// Products n * ln2Hi are exact: ln2Hi has 15 significant bits and |n| < 2^9.
    @_transparent static var exponential: Exponential.Constants {
        .init(log2e: 0x1.715476p+0, magic: 0x1.8p23 + 127, bias: 127, ln2Hi: 0x1.62e4p-1, ln2Lo: 0x1.7f7d1cp-20, smallest: -88,
            farthest: 256)
    }

    /// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2.
    @_transparent static func exponentialTail(_ r: Self) -> Self {
        Polynomial.degree4(r, 0x1p-1, 0x1.5554dcp-3, 0x1.5554e8p-5, 0x1.120c38p-7, 0x1.6d4e78p-10)
    }
}

extension F64x8 {
    /// Products n * ln2Hi are exact: ln2Hi has 41 significant bits and |n| < 2^12.
    @_transparent static var exponential: Exponential.Constants {
        .init(
            log2e: 0x1.71547652b82fep+0, magic: 0x1.8p52 + 1023, bias: 1023, ln2Hi: 0x1.62e42fefa3p-1, ln2Lo: 0x1.3de6af278ece6p-42,
            smallest: -709, farthest: 2048)
    }

    @_transparent static func exponentialTail(_ r: Self) -> Self {
        Polynomial.degree9(
            r, 0x1.0000000000001p-1, 0x1.5555555555558p-3, 0x1.5555555553cb8p-5, 0x1.111111110f8cbp-7,
            0x1.6c16c178bac58p-10, 0x1.a01a01afc2249p-13, 0x1.a019b877dd29fp-16, 0x1.71ddf762c3ce8p-19,
            0x1.289221116d37bp-22, 0x1.af620c5ddb50cp-26)
    }
}
