/// The modulating factor q^gamma, by the cheapest way that keeps its digits: one type for each class of gamma, so that the
/// choice is made once a block and the loop holds no branch.
protocol Modulator {
    /// q^gamma as a pair.
    static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V>
}

/// gamma in every lane, as a pair where its double does not fit one float.
struct Gamma<V: Lanes> {
    let value: Pair<V>

    @_transparent init(_ gamma: Double) {
        let hi = V.Scalar(gamma)
        value = Pair(V(hi), V(V.Scalar(gamma - Double(hi))))
    }
    @_transparent init(_ value: Pair<V>) { self.value = value }
}

enum GammaZero: Modulator {
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> { Pair(V.one, V.zero) }
}

enum GammaHalf: Modulator {
    /// One step of Newton's for what the root's rounding and the low part of q leave.
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> {
        let root = m.q.hi.squareRoot
        let residual = m.q.lo - root.error(of: m.q.hi, times: root)
        return Pair(root, residual / (root + root).atLeast(V(V.Scalar.leastNormalMagnitude)))
    }
}

enum GammaOne: Modulator {
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> { m.q }
}

enum GammaThreeHalves: Modulator {
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> {
        m.q * GammaHalf.weight(m, gamma)
    }
}

enum GammaTwo: Modulator {
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> { Pair.square(m.q) }
}

enum GammaThree: Modulator {
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> { Pair.square(m.q) * m.q }
}

enum GammaFive: Modulator {
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> {
        Pair.square(Pair.square(m.q)) * m.q
    }
}

enum GammaAny: Modulator {
    /// q^gamma = exp(-gamma softplus(u)), softplus(u) = max(u, 0) + log(1 + e): the product with the unbounded part is exact,
    /// so the error stays near 2 + gamma ulp however small the result.
    @_transparent static func weight<V: Lanes>(_ m: Margin<V>, _ gamma: Gamma<V>) -> Pair<V> {
        let linear = V.select(m.wrong, V.zero, m.size)
        let lost = V.select(m.wrong, V.zero, m.sizeLow)
        let product = Pair.product(linear, gamma.value.hi)
        let bend = m.log1p * gamma.value.hi
        let sum = Pair.sum(product.hi, bend)
        let low = sum.lo + gamma.value.lo.times(linear, plus: gamma.value.hi.times(lost, plus: product.lo))
        let power = Exponential.negative(-sum.hi)
        return Pair(power.hi, power.lo - low * power.hi)
    }
}
