import CKernels

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

/// Scores none of which is beyond `reach`, as nearly all are: their exponentials are relative to 1, whatever their maximum, for
/// which they need not be read first.  The smallest is 2^-116, and 128 of the largest are 2^123: floats hold them.
enum Moderate {
    @_transparent static var reach: Double { 80 }

    /// Not where all shards must have references that scale to that of their sum.  Nor in double, where a second way for what
    /// exponentials take most of anyway would not fit the library's size.
    @inline(__always) static func exists<V: Lanes>(for _: V.Type, _ plan: Plan) -> Bool {
        V.dtype == FOCAL_DTYPE_F32 && plan.pointee.args.shard_total == 0
    }
}
