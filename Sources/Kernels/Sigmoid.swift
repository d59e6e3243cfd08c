import CKernels

/// The binary family: a range of elements in blocks, each block through its stages.
///
///     scores -> signed weights -> exp(-|z|) -> the term -> (soft targets, in double) -> outputs
struct Sigmoid<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    let plan: Plan
    let scratch: Scratch<V>

    /// Computes elements [begin, end) and returns the sum of their losses.
    static func run(_ plan: Plan, _ begin: Int, _ end: Int, _ memory: UnsafeMutableRawPointer) -> Double {
        let sigmoid = Sigmoid(plan: plan, scratch: Scratch(memory))
        var sums = SIMD8<Double>()
        var start = begin
        while start < end {
            let count = min(Scratch<V>.capacity, end &- start)
            sigmoid.block(start, count, &sums)
            start &+= count
        }
        return Reduction.tree(sums)
    }

    private func block(_ start: Int, _ count: Int, _ sums: inout SIMD8<Double>) {
        let hasSoft = plan.pointee.soft != 0 && Softness.isAnySoft(plan, start, count)
        let isDirect = plan.pointee.direct != 0 && !hasSoft
        let way = Way(
            hasSoft: hasSoft, isCareful: plan.pointee.careful != 0, isDirect: isDirect && count & (V.count &- 1) == 0,
            isSingle: isDirect && count < V.count)
        let scores = loadScores(start, count, way)
        SignedWeights(plan: plan, start: start, count: count, scratch: scratch).fill()
        if !way.isCareful { term(scores, start, count, way, &sums) }
        if way.isCareful || hasSoft {
            CarefulBlock(plan: plan, scratch: scratch, start: start, count: count, onlySoft: !way.isCareful).run()
            if plan.pointee.args.reduced_loss != nil { Reduction.add(scratch.loss, count, to: &sums) }
        }
        if way.isDirect { return }
        let outputs = Outputs(plan: plan, scratch: scratch, start: start, count: count)
        way.isSingle ? outputs.writeVector() : outputs.write()
    }

    /// How a block goes.
    private struct Way {
        /// Some targets are soft: `Careful` replaces what the term made of them, and losses are summed after that.
        let hasSoft: Bool
        /// Every element goes to `Careful`.
        let isCareful: Bool
        /// The term writes into the caller's arrays: whole vectors of its own type and nothing left to do.
        let isDirect: Bool
        /// The same for part of one vector, as in a call on a few elements: by way of the scratch, but straight there and back.
        let isSingle: Bool
    }

    private func term(_ scores: Array, _ start: Int, _ count: Int, _ way: Way, _ sums: inout SIMD8<Double>) {
        let args = plan.pointee.args
        func target(_ output: UnsafeMutableRawPointer?, _ array: Array) -> Array? {
            guard let output else { return nil }
            return way.isDirect ? output.assumingMemoryBound(to: V.Scalar.self) + start : array
        }
        let needsSum = args.reduced_loss != nil
        let loss = target(args.loss, scratch.loss) ?? (needsSum && way.hasSoft ? scratch.loss : nil)
        let kernels = plan.pointee.kernels
        let term = V.dtype == FOCAL_DTYPE_F64 ? kernels.double_term : kernels.float_term
        withUnsafeMutableBytes(of: &sums) { sums in
            term.unsafelyUnwrapped(
                plan, Int64((count &+ V.count &- 1) & ~(V.count &- 1)), scores, scratch.base, loss,
                target(args.grad, scratch.grad),
                target(args.hess, scratch.hess),
                needsSum && !way.hasSoft ? sums.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Double.self) : nil)
        }
    }

    /// The block's scores as lanes, padded to whole vectors: the caller's own array where nothing need change in it.
    private func loadScores(_ start: Int, _ count: Int, _ way: Way) -> Array {
        let args = plan.pointee.args
        let source = args.scores.unsafelyUnwrapped + start &* size(of: args.score_dtype)
        if (way.isDirect || way.isSingle) && args.score_dtype == V.dtype {
            let array = UnsafeMutableRawPointer(mutating: source).assumingMemoryBound(to: V.Scalar.self)
            if way.isDirect { return array }
            V(loading: array, first: count).store(to: scratch.scores)
            return scratch.scores
        }
        V.read(args.score_dtype, source, count, into: scratch.scores)
        return scratch.scores
    }
}

/// Sums of losses: eight running sums in double through a range, then a fixed tree.
enum Reduction {
    /// Losses whose first stands at `place` in its range: all eight at a time where they begin with the first.
    static func add<S: LaneScalar>(
        _ losses: UnsafeMutablePointer<S>, _ count: Int, at place: Int = 0, to sums: inout SIMD8<Double>
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
