import CKernels

/// The first pass over a vector of samples of few classes, each in its lane: their exponentials, and the sums of these beside the
/// target's.
struct SoftmaxFew<V: Lanes> {
    let scratch: SoftmaxScratch<V>
    let classes: Int
    /// From a class to the next among the exponentials of a tile.
    let stride: Int
    /// The vector's place in the tile.
    let lane: Int

    /// scores: of the first class, the next `step` behind, or nil where the exponentials are made.  Returns whether the samples
    /// prove moderate: nothing is right unless they do.
    @inline(never) func run(_ scores: UnsafePointer<V.Scalar>?, _ step: Int) -> Bool {
        if let scores, !exponentiate(scores, step) { return false }
        addUp()
        return true
    }

    @inline(__always) private func exponentiate(_ scores: UnsafePointer<V.Scalar>, _ step: Int) -> Bool {
        var from = scores, to = scratch.tile + lane
        var farthest = V.zero
        for _ in 0..<classes {
            let z = V(loading: from)
            focal_prefetch(from + 2 &* stride)  // two tiles on: planes are too many streams for hardware
            farthest = farthest.atLeast(sizeOf: z)
            Exponential.plain(z).store(to: to)
            from += step
            to += stride
        }
        scratch.setReference(lane, Reference(shift: V.zero, steps: V.zero))
        return !V.any(V(Moderate.reach) < farthest)
    }

    /// Two sums of as many classes as a vector has lanes, then on in double.
    @inline(__always) private func addUp() {
        let label = V(narrowing: scratch.samples.label + lane)
        var column = UnsafePointer(scratch.tile + lane), klass = V.zero
        var start = 0
        while start < classes {
            var now = V.zero, next = V.zero, top = V.zero
            for _ in start..<min(start &+ V.count, classes) {
                let e = V.select(label == klass, V.zero, V(loading: column))
                now = now + V.select(top < e, top, e)
                top = V.select(top < e, e, top)
                swap(&now, &next)
                column += stride
                klass = klass + V.one
            }
            scratch.addBlock(rest: now + next, top: top, lane, isFirst: start == 0)
            start &+= V.count
        }
    }
}

/// The second pass over some classes of a vector of samples.
struct SoftmaxColumn<V: Lanes> {
    let scratch: SoftmaxScratch<V>
    let classes: Range<Int>
    let stride: Int
    let lane: Int

    /// target: the values of the samples' targets.  silences: 0 for samples that are not live.
    @inline(__always) func write<F: ClassFormula>(
        _ values: UnsafeMutablePointer<V.Scalar>, _ step: Int, _ formula: F, _ target: V, silences: Bool
    ) where F.V == V {
        let label = V(narrowing: scratch.samples.label + lane), live = V(narrowing: scratch.samples.live + lane)
        let isSilent = silences ? live == V.zero : V.one == V.zero
        var from = UnsafePointer(scratch.tile + lane), to = values, klass = V(Double(classes.lowerBound))
        for _ in classes {
            let value = V.select(label == klass, target, formula.value(V(loading: from)))
            focal_prefetch(to + 2 &* stride)
            V.select(isSilent, V.zero, value).store(to: to)
            from += stride
            to += step
            klass = klass + V.one
        }
    }
}
