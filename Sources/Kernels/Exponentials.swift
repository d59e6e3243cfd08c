/// What a sample's exponentials stand relative to: the shift and the binades of their maximum, less the headroom.
struct Reference<V: Lanes> {
    let shift: V
    /// Binades, a whole number.
    let steps: V
    private let origin: V
    private let lowest: V
    let isFar: Bool

    @inline(__always) init(maximum: V) {
        let shift = V.select(V(V.exponential.farthest) < maximum.magnitude, maximum, V.zero)
        let x = V.select(maximum == shift, V.zero, maximum - shift)
        self.init(shift: shift, steps: Exponential.binades(x) - V(Exponential.headroom))
    }

    @inline(__always) init(shift: V, steps: V) {
        let c = V.exponential
        self.shift = shift
        self.steps = steps
        isFar = V.any(V.not(shift == V.zero))
        origin = steps * V(c.parts)
        lowest = steps.times(V(0x1.62e42fefa39efp-1), plus: V(-c.reach))
    }

    /// e^z relative to this, where isFar does not hold.
    @inline(__always) func near(_ z: V) -> V { Exponential.relative(z, to: origin, lowest: lowest) }

    /// Scores as `near` takes them where isFar holds.
    @inline(__always) func shifted(_ z: V) -> V { Reference.shifted(z, shift) }
    @inline(__always) static func shifted(_ z: V, _ shift: V) -> V { V.select(z == shift, V.zero, z - shift) }
}

/// Samples none of whose scores is beyond `reach`, as nearly all are: their exponentials stand relative to one constant, whatever
/// their maximum, for which their scores need not be read.  It is as if that were `reach`: the smallest exponential is 2^-97.
enum Moderate {
    @_transparent static var reach: Double { 40 }
    /// The whole binades of e^reach, less the headroom.
    @_transparent static var steps: Double { 57 - Exponential.headroom }

    @_transparent static func exponential<V: Lanes>(_ z: V) -> V { Exponential.scaled(z, less: steps) }
}
