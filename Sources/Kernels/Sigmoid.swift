import CKernels

/// The binary family: a range of elements in blocks, each block through its stages.
///
///     scores -> signed weights -> exp(-|z|) -> the term -> (soft targets, in double) -> outputs
struct Sigmoid<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>
    typealias Term =
        @convention(c) (
            Plan?, Int64, UnsafeRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?,
            UnsafeMutableRawPointer?
        ) -> Void

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
        return Reduction.total(quarters: sums)
    }

    @inline(never) private func block(_ start: Int, _ count: Int, _ sums: inout SIMD8<Double>) {
        let hasSoft = plan.pointee.soft != 0 && Softness.isAnySoft(plan, start, count)
        let short = plan.pointee.isShort ? plan.pointee.kernels.short_term : nil
        let isNative = short != nil || !plan.pointee.isShort
        let isDirect = plan.pointee.direct != 0 && isNative && !hasSoft
        let way = Way(
            hasSoft: hasSoft, isCareful: plan.pointee.careful != 0, isDirect: isDirect && count & (V.count &- 1) == 0,
            isSingle: isDirect && short == nil && count < V.count, short: short)
        let scores = loadScores(start, count, way)
        SignedWeights(plan: plan, start: start, count: count, scratch: scratch).fill()
        if !way.isCareful { term(scores, start, count, way) }
        if way.isCareful || hasSoft {
            CarefulBlock(plan: plan, scratch: scratch, start: start, count: count, onlySoft: !way.isCareful).run()
        }
        if plan.pointee.args.reduced_loss != nil { Reduction.add(losses(start, way), count, to: &sums) }
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
        /// The term writes into the caller's arrays: whole vectors of a type of its own and nothing left to do.
        let isDirect: Bool
        /// The same for part of one vector, as in a call on a few elements: by way of the scratch, but straight there and back.
        let isSingle: Bool
        /// The term of 16-bit scores and outputs, for those.
        let short: Term?
    }

    private func term(_ scores: UnsafeRawPointer, _ start: Int, _ count: Int, _ way: Way) {
        let args = plan.pointee.args
        let offset = start &* (way.short == nil ? MemoryLayout<V.Scalar>.size : 2)
        func target(_ output: UnsafeMutableRawPointer?, _ array: Array) -> UnsafeMutableRawPointer? {
            guard let output else { return nil }
            return way.isDirect ? output + offset : UnsafeMutableRawPointer(array)
        }
        // The short term sees to that itself, for its `loss` takes rounded ones.
        let summed = args.reduced_loss == nil || way.short != nil ? nil : UnsafeMutableRawPointer(scratch.loss)
        let kernels = plan.pointee.kernels
        let term = way.short ?? (V.dtype == FOCAL_DTYPE_F64 ? kernels.double_term : kernels.float_term).unsafelyUnwrapped
        term(
            plan, Int64((count &+ V.count &- 1) & ~(V.count &- 1)), scores, scratch.base,
            target(args.loss, scratch.loss) ?? summed, target(args.grad, scratch.grad), target(args.hess, scratch.hess))
    }

    /// Where the block's losses stand as lanes.
    private func losses(_ start: Int, _ way: Way) -> Array {
        guard way.isDirect && way.short == nil, let loss = plan.pointee.args.loss else { return scratch.loss }
        return loss.assumingMemoryBound(to: V.Scalar.self) + start
    }

    /// The block's scores, padded to whole vectors of lanes: the caller's own array where nothing need change in it.
    private func loadScores(_ start: Int, _ count: Int, _ way: Way) -> UnsafeRawPointer {
        let args = plan.pointee.args
        let source = args.scores.unsafelyUnwrapped + start &* size(of: args.score_dtype)
        if way.isDirect && (way.short != nil || args.score_dtype == V.dtype) { return source }
        if way.isSingle && args.score_dtype == V.dtype {
            V(loading: source.assumingMemoryBound(to: V.Scalar.self), first: count).store(to: scratch.scores)
        } else {
            V.read(args.score_dtype, source, count, into: scratch.scores)
        }
        return UnsafeRawPointer(scratch.scores)
    }
}
