/// Sums of losses: eight running sums in double through a range, then a fixed tree.
enum Reduction {
    /// Losses whose first stands at `place` in its range: all eight at a time where they begin with the first.
    static func add<S: LaneScalar>(
        _ losses: UnsafeMutablePointer<S>, _ count: Int, at place: Int, to sums: inout SIMD8<Double>
    ) {
        let whole = S.Vector.count == 8 && place & 7 == 0 ? count & ~7 : 0
        var i = 0
        while i < whole {
            S.Vector(loading: losses + i).accumulate(into: &sums)
            i &+= 8
        }
        // Through memory: a vector indexed at run time would be stored and loaded whole each time.
        withUnsafeMutableBytes(of: &sums) { bytes in
            let sums = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Double.self)
            while i < count {
                sums[(place &+ i) & 7] += Double(losses[i])
                i &+= 1
            }
        }
    }

    @inline(__always) static func tree(_ s: SIMD8<Double>) -> Double {
        ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    }
}

extension Reduction {
    /// Quarters of a block's losses.  Four vectors are added as lanes before they become doubles, which would cost more than
    /// that sum: three more roundings, of no more than half an ulp of a part of the sum each.  Quarters, because four finite
    /// losses may add up to more than the largest number.
    @inline(never) static func add<S: LaneScalar>(_ losses: UnsafeMutablePointer<S>, _ count: Int, to sums: inout SIMD8<Double>) {
        typealias V = S.Vector
        V.pad(losses, count)
        var sum = sums
        var i = 0
        while i < count {
            let end = min(i &+ 4 &* V.count, count)
            var group = V.zero
            repeat {
                group = V(loading: losses + i).times(V(0.25), plus: group)
                i &+= V.count
            } while i < end
            group.accumulate(into: &sum)
        }
        sums = sum
    }

    /// The sum of the losses whose quarters were added.
    @inline(__always) static func total(quarters: SIMD8<Double>) -> Double { 4 * tree(quarters) }
}
