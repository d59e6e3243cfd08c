/// A function of the score with its first and second derivative.  The rare kinds of loss (soft targets, smoothing) are
/// products of few such functions: written once here, they need no derivative of their own.
struct Jet {
    var value: F64x8
    var first: F64x8
    var second: F64x8

    @_transparent init(_ value: F64x8, _ first: F64x8, _ second: F64x8) {
        self.value = value
        self.first = first
        self.second = second
    }

    static var zero: Jet { Jet(F64x8.zero, F64x8.zero, F64x8.zero) }

    @_transparent static func + (a: Jet, b: Jet) -> Jet {
        Jet(a.value + b.value, a.first + b.first, a.second + b.second)
    }

    @_transparent static func * (a: F64x8, b: Jet) -> Jet { Jet(a * b.value, a * b.first, a * b.second) }

    @_transparent static func * (a: Jet, b: Jet) -> Jet {
        Jet(
            a.value * b.value, a.first.times(b.value, plus: a.value * b.first),
            a.second.times(b.value, plus: (a.first + a.first).times(b.first, plus: a.value * b.second)))
    }

    @_transparent var magnitude: Jet {
        Jet(value.magnitude, first.flippingSign(where: value), second.flippingSign(where: value))
    }

    /// self^g for a self in [0, 1], from self^(g-2), with the limit 1 at g = 0.  At 0 and g < 2 the second derivative has no
    /// limit; a large finite number stands for it.
    @_transparent func power(_ g: Double) -> Jet {
        if g == 0 { return Jet(F64x8.one, F64x8.zero, F64x8.zero) }
        let base = value.atLeast(F64x8(1e-150))
        let low = Power.of(base, g - 2)
        let gamma = F64x8(g)
        let slope = gamma * low * value
        let bend = F64x8(g - 1) * first * first + value * second
        return Jet(low * value * value, slope * first, gamma * low * bend)
    }
}

enum Power {
    /// x^g for x in (0, 1]: by multiplication and a root where 2 g is a small integer, where each step rounds once; else
    /// exp(g log x) with the product's low part.
    @_transparent static func of(_ x: F64x8, _ g: Double) -> F64x8 {
        let halves = (g < 0 ? -g : g) * 2
        guard halves <= 16, Double(Int(halves)) == halves else { return exponential(x, g) }
        var power = Int(halves) & 1 == 1 ? x.squareRoot : F64x8.one
        var rest = Int(halves) / 2
        var square = x
        while rest > 0 {
            if rest & 1 == 1 { power = power * square }
            square = square * square
            rest /= 2
        }
        return g < 0 ? F64x8.one / power : power
    }

    private static func exponential(_ x: F64x8, _ g: Double) -> F64x8 {
        let log = Logarithm.pair(x)
        let product = Pair.product(log.hi, F64x8(g < 0 ? g : -g))
        let power = F64x8.exp(minus: product.hi.magnitude)
        let low = product.lo + log.lo * F64x8(g < 0 ? g : -g)
        let size = power.hi.times(-low, plus: power.hi + power.lo)
        return g < 0 ? F64x8.one / size : size
    }
}
