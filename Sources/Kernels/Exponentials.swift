/// A vector's reference for exponentials: the shift and the binades of its maximum.
struct Reference<V: Lanes> {
    let shift: V
    /// Binades, a whole number.
    let steps: V
    private let origin: V
    private let lowest: V
    let isFar: Bool

    @inline(__always) init(maximum: V) {
        let c = V.exponential
        let far = V(c.farthest) < maximum.magnitude
        isFar = V.any(far)
        shift = V.select(far, maximum, V.zero)
        let x = V.select(maximum == shift, V.zero, maximum - shift)
        steps = Exponential.binades(x)
        origin = steps * V(c.parts)
        lowest = x - V(c.reach)
    }

    /// e^z relative to this.
    @inline(__always) func near(_ z: V) -> V { Exponential.relative(z, to: origin, lowest: lowest) }
    @inline(__always) func far(_ z: V) -> V {
        Exponential.relative(V.select(z == shift, V.zero, z - shift), to: origin, lowest: lowest)
    }
}
