/// Polynomials, by Horner's chain; the long one with one sign by even and odd powers side by side, two chains half as long.
enum Polynomial {
    @_transparent static func degree9<V: Arithmetic>(
        _ x: V, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double, _ c4: Double, _ c5: Double, _ c6: Double,
        _ c7: Double, _ c8: Double, _ c9: Double
    ) -> V {
        let x2 = x * x
        var even = V(c8).times(x2, plus: V(c6))
        var odd = V(c9).times(x2, plus: V(c7))
        even = even.times(x2, plus: V(c4))
        odd = odd.times(x2, plus: V(c5))
        even = even.times(x2, plus: V(c2))
        odd = odd.times(x2, plus: V(c3))
        even = even.times(x2, plus: V(c0))
        odd = odd.times(x2, plus: V(c1))
        return odd.times(x, plus: even)
    }

    @_transparent static func horner<V: Arithmetic>(_ x: V, _ c0: Double, _ c1: Double, _ c2: Double) -> V {
        V(c2).times(x, plus: V(c1)).times(x, plus: V(c0))
    }

    @_transparent static func horner<V: Arithmetic>(_ x: V, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double) -> V {
        horner(x, c1, c2, c3).times(x, plus: V(c0))
    }

    @_transparent static func horner<V: Arithmetic>(
        _ x: V, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double, _ c4: Double
    ) -> V {
        horner(x, c1, c2, c3, c4).times(x, plus: V(c0))
    }
}
