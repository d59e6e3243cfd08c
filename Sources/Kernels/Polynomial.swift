/// Polynomials: even and odd powers side by side, two chains half as long, where the coefficients have one sign; Horner's one
/// chain where they alternate and the two halves would cancel.
enum Polynomial {
    @_transparent static func degree4<V: Lanes>(
        _ x: V, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double, _ c4: Double
    ) -> V {
        let x2 = x * x
        let even = V(c4).times(x2, plus: V(c2)).times(x2, plus: V(c0))
        let odd = V(c3).times(x2, plus: V(c1))
        return odd.times(x, plus: even)
    }

    @_transparent static func degree9<V: Lanes>(
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

    @_transparent static func horner9<V: Lanes>(
        _ x: V, _ c0: Double, _ c1: Double, _ c2: Double, _ c3: Double, _ c4: Double, _ c5: Double, _ c6: Double,
        _ c7: Double, _ c8: Double, _ c9: Double
    ) -> V {
        let high = V(c9).times(x, plus: V(c8)).times(x, plus: V(c7)).times(x, plus: V(c6)).times(x, plus: V(c5))
        let middle = high.times(x, plus: V(c4)).times(x, plus: V(c3)).times(x, plus: V(c2))
        return middle.times(x, plus: V(c1)).times(x, plus: V(c0))
    }
}
