/// The modulating factor q^gamma, by the cheapest way that keeps its digits: one type for each class of gamma, so that the
/// choice is made once a block and the loop holds no branch.
protocol Modulator {
    /// Whether every digit of the loss counts: where gamma's share of the gradient is large, or gamma is an exponent's factor.
    static var isSharp: Bool { get }
    /// q^gamma, rounded once from a pair.
    static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V
    /// w q^gamma from numbers without low parts, for ShortTerm: by an exponential, or products where those are fewer.
    static func weigh<V: Singles>(_ w: V, _ m: Margin<V>, _ gamma: Gamma<V>) -> V
}

extension Modulator {
    @_transparent static var isSharp: Bool { false }
    @_transparent static func weigh<V: Singles>(_ w: V, _ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        w * V.exp(minus: gamma.value.hi * (m.u.atLeast(V.zero) + m.log1p.hi)).hi
    }
}

/// gamma in every lane, as a pair where its double does not fit one float.
struct Gamma<V: Arithmetic> {
    let value: Pair<V>

    /// 2 gamma, where GammaHalves covers it.
    let halves: Int

    @_transparent init(_ gamma: Double) {
        let hi = V.Scalar(gamma)
        value = Pair(V(hi), V(V.Scalar(gamma - Double(hi))))
        halves = GammaHalves.covers(gamma) ? Int(gamma * 2) : 0
    }
    @_transparent init(_ value: Pair<V>) {
        self.value = value
        halves = 0
    }
}

enum GammaZero: Modulator {
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V { V.one }
}

enum GammaHalf: Modulator {
    @_transparent static var isSharp: Bool { true }
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        let root = squareRoot(m.q)
        return root.hi + root.lo
    }

    /// One step of Newton's for what the root's rounding and the low part of q leave, an ulp at most: the slope needs but two
    /// digits, and no division.
    @_transparent static func squareRoot<V: Arithmetic>(_ q: Pair<V>) -> Pair<V> {
        let root = q.hi.squareRoot
        let residual = q.lo - root.error(of: q.hi, times: root)
        return Pair(root, residual * q.hi.roughHalfInverseRoot)
    }
}

enum GammaOne: Modulator {
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V { m.q.hi + m.q.lo }
}

enum GammaThreeHalves: Modulator {
    @_transparent static var isSharp: Bool { true }
    /// With r the rounded root, q sqrt(q) = q r + q (q - r^2) / (2 r), and q / r is r: no division.
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        let root = m.q.hi.squareRoot
        let residual = m.q.lo - root.error(of: m.q.hi, times: root)
        return m.q.hi.times(root, plus: root * residual.times(V(0.5), plus: m.q.lo))
    }
}

enum GammaTwo: Modulator {
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        m.q.hi.times(m.q.hi, plus: (m.q.hi + m.q.hi) * m.q.lo)
    }
    @_transparent static func weigh<V: Singles>(_ w: V, _ m: Margin<V>, _ gamma: Gamma<V>) -> V { w * (m.q.hi * m.q.hi) }
}

enum GammaThree: Modulator {
    @_transparent static var isSharp: Bool { true }
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        Pair.rounded(Pair.square(m.q), times: m.q)
    }
}

enum GammaFive: Modulator {
    @_transparent static var isSharp: Bool { true }
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        Pair.rounded(Pair.square(Pair.square(m.q)), times: m.q)
    }
}

/// Any multiple of a half up to 5, by as many products of pairs.
enum GammaHalves: Modulator {
    @_transparent static var isSharp: Bool { true }
    @_transparent static func covers(_ gamma: Double) -> Bool { gamma <= 5 && Double(Int(gamma * 2)) == gamma * 2 }

    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        var power = gamma.halves & 1 == 1 ? GammaHalf.squareRoot(m.q) : Pair(V.one, V.zero)
        var factors = gamma.halves / 2
        while factors > 0 {
            power = power * m.q
            factors &-= 1
        }
        return power.hi + power.lo
    }

    @_transparent static func weigh<V: Singles>(_ w: V, _ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        let q = m.q.hi, square = q * q
        var power = w
        if gamma.halves & 1 != 0 { power = power * q.squareRoot }
        if gamma.halves & 2 != 0 { power = power * q }
        if gamma.halves & 4 != 0 { power = power * square }
        if gamma.halves & 8 != 0 { power = power * (square * square) }
        return power
    }
}

enum GammaAny: Modulator {
    @_transparent static var isSharp: Bool { true }

    /// q^gamma = exp(-gamma softplus(u)), softplus(u) = max(u, 0) + log(1 + e): both products with gamma are exact, so the error
    /// stays near 2 + gamma / 4 ulp however small the result.
    @_transparent static func weight<V: Arithmetic>(_ m: Margin<V>, _ gamma: Gamma<V>) -> V {
        let g = gamma.value
        let linear = m.u.atLeast(V.zero).atMost(V(1024.0))
        let product = Pair.product(linear, g.hi), bend = Pair.product(m.log1p.hi, g.hi)
        let sum = Pair.sum(product.hi, bend.hi)
        let lost = V.select(m.u.isNegative, V.zero, m.uLow) + m.log1p.lo
        let low = g.lo.times(linear, plus: g.hi.times(lost, plus: product.lo + bend.lo)) + sum.lo
        let power = V.exp(minus: sum.hi)
        return power.hi + (-low).times(power.hi, plus: power.lo)
    }
}
