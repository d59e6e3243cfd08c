/// A number as the unevaluated sum hi + lo, |lo| no more than a few ulp of hi: twice the digits for the few steps whose error
/// a power would multiply.
struct Pair<V: Arithmetic> {
    var hi: V
    var lo: V

    @_transparent init(_ hi: V, _ lo: V) {
        self.hi = hi
        self.lo = lo
    }

    /// The exact sum of two numbers, |a| >= |b| (Dekker's Fast2Sum).
    @_transparent static func sum(larger a: V, _ b: V) -> Pair {
        let s = a + b
        return Pair(s, b - (s - a))
    }

    /// The exact sum of any two numbers (Knuth's 2Sum).
    @_transparent static func sum(_ a: V, _ b: V) -> Pair {
        let s = a + b
        let t = s - a
        return Pair(s, (a - (s - t)) + (b - t))
    }

    /// The exact product of two numbers.
    @_transparent static func product(_ a: V, _ b: V) -> Pair {
        let p = a * b
        return Pair(p, a.error(of: p, times: b))
    }

    /// The product of two pairs, to about eps^2.
    @_transparent static func * (a: Pair, b: Pair) -> Pair {
        let p = a.hi * b.hi
        return Pair(p, a.lo.times(b.hi, plus: a.hi.times(b.lo, plus: a.hi.error(of: p, times: b.hi))))
    }

    /// The product of two pairs, rounded to one number.
    @_transparent static func rounded(_ a: Pair, times b: Pair) -> V {
        a.hi.times(b.hi, plus: a.lo.times(b.hi, plus: a.hi * b.lo))
    }

    @_transparent static func square(_ a: Pair) -> Pair {
        let p = a.hi * a.hi
        return Pair(p, (a.hi + a.hi).times(a.lo, plus: a.hi.error(of: p, times: a.hi)))
    }

    /// The quotient, to about eps^2; exact without FMA too.
    @_transparent func quotient(_ b: Pair) -> Pair {
        let q = hi / b.hi
        let product = Pair.product(q, b.hi)
        return Pair(q, (((hi - product.hi) - product.lo) + (lo - q * b.lo)) / b.hi)
    }

    /// a where the mask holds, b elsewhere.
    @_transparent static func select(_ mask: V.Mask, _ a: Pair, _ b: Pair) -> Pair {
        Pair(V.select(mask, a.hi, b.hi), V.select(mask, a.lo, b.lo))
    }
}
