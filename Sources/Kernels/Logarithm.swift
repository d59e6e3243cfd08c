/// Logarithms.  Coefficients: Tests/coefficients/logarithm.sollya.
enum Logarithm {
    /// -log x for x in [0, 1], given 1 - x, each as exact as the format allows; relative error below 2^-52, +inf at 0.
    @inline(never) static func negative(_ x: Doubles, complement: Doubles) -> Doubles {
        let half = Doubles(0.5)
        let bounded = complement.atMost(half)
        let near = artanh2(bounded / (Doubles(2) - bounded))
        return Doubles.select(half < complement, -natural(x), near)
    }

    /// log (2^binades x) for x >= 0, exact in its leading term where that is near 1; -inf at 0.
    @inline(never) static func natural(_ x: Doubles, binades: Doubles = Doubles.zero) -> Doubles {
        let parts = pair(x, binades: binades)
        let limited = Doubles.select(x == Doubles.zero, Doubles(-Double.infinity), parts.hi + parts.lo)
        return Doubles.select(x == x, limited, x)
    }

    /// log (2^binades x) for x > 0 as hi + lo, absolute error 2^-54: x = 2^k m with m in [sqrt .5, sqrt 2), log m = 2 artanh((m-1)
    /// / (m+1)), and the binades' ln 2 has an exact part.
    @inline(never) static func pair(_ x: Doubles, binades: Doubles = Doubles.zero) -> Pair<Doubles> {
        let tiny = x < Doubles(0x1p-1022)
        let scaled = Doubles.select(tiny, x * Doubles(0x1p54), x)
        let k = (scaled.binades + Doubles.select(tiny, Doubles(-54.0), Doubles.zero)) + binades
        let m = scaled.nearOne
        let d = m + Doubles.one
        let s = (m - Doubles.one) / d
        let correction = (-s).times(d, plus: m - Doubles.one) / d
        let rest = k.times(Doubles(0x1.3de6af278ece6p-42), plus: (correction + correction) + Doubles.artanhTail(s))
        let leading = Pair.sum(k * Doubles(0x1.62e42fefa3p-1), s + s)
        return Pair.sum(leading.hi, leading.lo + rest)
    }

    /// log (2^binades x) for a normal x to float's digits, absolute error below 2^-30: the series of 2 artanh(s) up to
    /// |s| = .172.
    @_transparent static func plain(_ x: Doubles, binades: Doubles) -> Doubles {
        let m = x.nearOne, s = (m - Doubles.one) / (m + Doubles.one), s2 = s * s
        let tail = Polynomial.horner(s2, 2.0, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9)
        return (x.binades + binades).times(Doubles(0x1.62e42fefa39efp-1), plus: s * tail)
    }

    @_transparent static func artanh2(_ s: Doubles) -> Doubles { s.times(Doubles(2.0), plus: Doubles.artanhTail(s)) }
}

extension Singles {
    /// log(1 + e) for e in [0, 1], given e / (1 + e): its error is near that of the ratio times 0.4, plus .3 of half an ulp.
    ///
    /// With 1 + e = exp(a) and u the ratio, y = e u = 2 (cosh a - 1) and e + u = 2 sinh a.  Hence a = sinh(a) (1 + 2 y G(y)) with
    /// a smooth G, and log(1 + e) = e + y ((e + u) G(y) - 1/2): no division, and on [0, 1/2] four coefficients of G do, or five.
    @_transparent static func log1p(_ e: Pair<Self>, ratio: Pair<Self>, isSharp: Bool) -> Pair<Self> {
        let y = e.hi * ratio.hi
        let g = isSharp ? bend5(y) : bend4(y)
        let slope = (e.hi + ratio.hi).times(g, plus: Self(-0.5))
        let bend = y.times(slope, plus: e.lo)
        let hi = e.hi + bend
        let yLow = e.hi.times(ratio.lo, plus: e.lo.times(ratio.hi, plus: e.hi.error(of: y, times: ratio.hi)))
        return Pair(hi, yLow.times(slope, plus: bend - (hi - e.hi)))
    }

    /// The same without low parts.
    @_transparent static func log1p(_ e: Self, ratio: Self) -> Self {
        let y = e * ratio
        return y.times((e + ratio).times(bend4(y), plus: Self(-0.5)), plus: e)
    }

    /// G to .3 of half an ulp of the logarithm.
    @_transparent private static func bend4(_ y: Self) -> Self {
        Polynomial.horner(y, -0x1.5554bap-4, 0x1.10e09cp-6, -0x1.caa10ap-9, 0x1.3fb3p-11)
    }

    /// G to .01 of half an ulp.
    @_transparent private static func bend5(_ y: Self) -> Self {
        Polynomial.horner(y, -0x1.55555p-4, 0x1.110e86p-6, -0x1.d357cap-9, 0x1.93p-11, -0x1.123fa6p-13)
    }
}

extension Doubles {
    /// log(1 + e) = 2 artanh(s), s = e / (2 + e) in [0, 1/3], corrected for the rounding of s; relative error below 2^-52.
    @_transparent static func log1p(_ e: Pair<Self>, ratio: Pair<Self>, isSharp: Bool) -> Pair<Self> { log1p(e) }

    @_transparent static func log1p(_ e: Pair<Self>) -> Pair<Self> {
        let d = Pair.sum(larger: Self(2.0), e.hi)
        let inverse = one / d.hi
        let s = e.hi * inverse
        let residual = ((-s).times(d.hi, plus: e.hi) - s * d.lo) + e.lo
        let correction = residual * inverse
        let bend = (correction + correction) + artanhTail(s)
        let hi = s.times(Self(2.0), plus: bend)
        return Pair(hi, s.times(Self(2.0), plus: -hi) + bend)
    }

    /// 2 artanh(s) - 2 s for |s| <= 1/3.
    @_transparent static func artanhTail(_ s: Self) -> Self {
        let s2 = s * s
        return s * s2
            * Polynomial.degree9(
                s2, 0x1.5555555555555p-1, 0x1.999999999a27cp-2, 0x1.24924923df843p-2, 0x1.c71c726c171afp-3,
                0x1.745cf154e858p-3, 0x1.3b18a6cd11a3ep-3, 0x1.10acf6187626fp-3, 0x1.eb8a175c66bdap-4,
                0x1.688edd078a774p-4, 0x1.4afd63d03d427p-3)
    }
}
