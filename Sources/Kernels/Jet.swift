/// A function of the score with its first and second derivative.  The rare kinds of loss (soft targets, smoothing) are
/// products of few such functions: written once here, they need no derivative of their own.
struct Jet {
    var value: Doubles
    var first: Doubles
    var second: Doubles

    @_transparent init(_ value: Doubles, _ first: Doubles, _ second: Doubles) {
        self.value = value
        self.first = first
        self.second = second
    }

    static var zero: Jet { Jet(Doubles.zero, Doubles.zero, Doubles.zero) }

    @_transparent static func + (a: Jet, b: Jet) -> Jet {
        Jet(a.value + b.value, a.first + b.first, a.second + b.second)
    }

    @_transparent static func * (a: Doubles, b: Jet) -> Jet { Jet(a * b.value, a * b.first, a * b.second) }

    @_transparent static func * (a: Jet, b: Jet) -> Jet {
        Jet(
            a.value * b.value, a.first.times(b.value, plus: a.value * b.first),
            a.second.times(b.value, plus: (a.first + a.first).times(b.first, plus: a.value * b.second)))
    }

    @_transparent var magnitude: Jet {
        Jet(value.magnitude, first.flippingSign(where: value), second.flippingSign(where: value))
    }

    /// self^g for a self in [0, 1], with the limit 1 at g = 0.
    @_transparent func power(_ g: Double) -> Jet {
        if g == 0 { return Jet(Doubles.one, Doubles.zero, Doubles.zero) }
        let isSteep = value * Doubles(1024.0) < first.magnitude
        return Doubles.any(isSteep) ? Jet.select(isSteep, steepPower(g), flatPower(g)) : flatPower(g)
    }

    /// From self^g and what the derivatives are to self: nothing underflows before the result does.
    @_transparent private func flatPower(_ g: Double) -> Jet {
        let base = value.atLeast(Doubles(0x1p-1022))
        let (slope, bend) = (first / base, second / base)
        let power = Doubles.select(value == Doubles.zero, Doubles.zero, Power.of(base, g))
        let scaled = Doubles(g) * power
        return Jet(power, scaled * slope, scaled * (Doubles(g - 1) * slope * slope + bend))
    }

    /// From self^(g-2), where self is small beside its derivative (|y - p|, a probability).  At 0 and g < 2 the second
    /// derivative has no limit; a large finite number stands for it.
    @inline(never) private func steepPower(_ g: Double) -> Jet {
        let base = value.atLeast(Doubles(1e-150))
        let low = Power.of(base, g - 2)
        let gamma = Doubles(g)
        let slope = gamma * low * value
        let bend = Doubles(g - 1) * first * first + value * second
        return Jet(low * value * value, slope * first, gamma * low * bend)
    }

    @_transparent static func select(_ mask: Doubles.Mask, _ a: Jet, _ b: Jet) -> Jet {
        Jet(
            Doubles.select(mask, a.value, b.value), Doubles.select(mask, a.first, b.first),
            Doubles.select(mask, a.second, b.second))
    }
}

enum Power {
    /// x^g for x in (0, 1]: by multiplication and a root where 2 g is a small integer, where each step rounds once; else
    /// exp(g log x) with the product's low part.
    @_transparent static func of(_ x: Doubles, _ g: Double) -> Doubles {
        let halves = (g < 0 ? -g : g) * 2
        guard halves <= 16, Double(Int(halves)) == halves else { return exponential(x, g) }
        var power = Int(halves) & 1 == 1 ? x.squareRoot : Doubles.one
        var rest = Int(halves) / 2
        var square = x
        while rest > 0 {
            if rest & 1 == 1 { power = power * square }
            square = square * square
            rest /= 2
        }
        return g < 0 ? Doubles.one / power : power
    }

    private static func exponential(_ x: Doubles, _ g: Double) -> Doubles {
        let log = Logarithm.pair(x)
        let product = Pair.product(log.hi, Doubles(g < 0 ? g : -g))
        let power = Doubles.exp(minus: product.hi.magnitude)
        let low = product.lo + log.lo * Doubles(g < 0 ? g : -g)
        let size = power.hi.times(-low, plus: power.hi + power.lo)
        return g < 0 ? Doubles.one / size : size
    }
}
