import CFocalLoss
import CKernels

/// No output may share a byte with another buffer, except that `grad` (and a sigmoid's `loss`) may be exactly `scores`.
struct Overlap {
    private let plan: UnsafePointer<focal_plan>
    private let family: Check.Family
    private let samples: Int64
    private let scores: Int64
    private let outSize: Int64
    @inline(__always) private var args: focal_args { plan.pointee.args }

    init(_ plan: UnsafePointer<focal_plan>, _ family: Check.Family) {
        self.plan = plan
        self.family = family
        let args = plan.pointee.args
        samples = args.outer &* args.inner
        scores = samples &* args.classes
        outSize = Overlap.size(args.out_dtype == 0 ? args.score_dtype : args.out_dtype)
    }

    private struct Buffer {
        let name: UnsafePointer<CChar>
        let start: UInt
        let end: UInt

        /// Whether a byte belongs to both; none does where one is empty.
        @inline(__always) func meets(_ other: Buffer) -> Bool {
            start < other.end && other.start < end && start < end && other.start < other.end
        }
    }

    @inline(never) func check() throws(Failure) {
        let found = withUnsafeTemporaryAllocation(of: Buffer.self, capacity: 22) { memory in
            firstOverlap(memory.baseAddress.unsafelyUnwrapped)
        }
        if let found { throw Failure(FOCAL_ERROR_OVERLAP, "\(found.output) overlaps \(found.other)") }
    }

    private func firstOverlap(
        _ first: UnsafeMutablePointer<Buffer>
    ) -> (output: UnsafePointer<CChar>, other: UnsafePointer<CChar>)? {
        let inputs = addOutputs(first)
        let end = addInputs(inputs)
        var output = first
        while output < inputs {
            var other = output + 1
            while other < end {
                if output.pointee.meets(other.pointee) && !(other == inputs && isInPlace(output.pointee, other.pointee)) {
                    return (output.pointee.name, other.pointee.name)
                }
                other += 1
            }
            output += 1
        }
        return nil
    }

    /// The first input is `scores`.
    private func isInPlace(_ output: Buffer, _ scores: Buffer) -> Bool {
        let pointer = UnsafeMutableRawPointer(bitPattern: output.start)
        let mayBe = pointer == args.grad || (pointer == args.loss && family == .sigmoid)
        return mayBe && output.start == scores.start && output.end == scores.end && outSize == Overlap.size(args.score_dtype)
    }

    private var isSigmoid: Bool { family == .sigmoid }
    /// Step one of a sharded softmax writes the three arrays that step two reads.
    private var writesShards: Bool { family == .shardStats }

    /// Writes the outputs that the call has to `first` and returns where the next buffer goes; the others likewise.
    @inline(__always) private func addOutputs(_ first: UnsafeMutablePointer<Buffer>) -> UnsafeMutablePointer<Buffer> {
        var next = first
        add(&next, "grad", args.grad, scores, outSize)
        add(&next, "loss", args.loss, isSigmoid ? scores : samples, outSize)
        add(&next, "reduced_loss", args.reduced_loss, 1, 8)
        add(&next, "hess", args.hess, scores, outSize)
        add(&next, "hess_full", args.hess_full, scores &* args.classes, outSize)
        add(&next, "probabilities", args.probabilities, scores, outSize)
        add(&next, "log_sum_exp", args.log_sum_exp, samples, outSize)
        if writesShards { addShards(&next) }
        return next
    }

    @inline(__always) private func addInputs(_ first: UnsafeMutablePointer<Buffer>) -> UnsafeMutablePointer<Buffer> {
        var next = first
        let labels = args.target_kind == FOCAL_TARGETS_LABELS
        let classes = args.shard_total > 0 ? args.shard_total : args.classes
        let weights = args.weight_layout == FOCAL_WEIGHTS_ELEMENT ? scores : samples
        add(&next, "scores", args.scores, scores, Overlap.size(args.score_dtype))
        add(&next, "targets", args.targets, labels ? samples : scores, Overlap.size(args.target_dtype))
        add(&next, "weights", args.weights, weights, Overlap.size(args.weight_dtype))
        add(&next, "upstream", args.upstream, isSigmoid ? scores : samples, outSize)
        add(&next, "ignore_mask", args.ignore_mask, isSigmoid && !labels ? scores : samples, 1)
        add(&next, "alphas", args.alphas, classes, 8)
        add(&next, "gammas", args.gammas, classes, 8)
        add(&next, "class_weights", args.class_weights, classes, 8)
        add(&next, "pos_weights", args.pos_weights, classes, 8)
        if !writesShards { addShards(&next) }
        return next
    }

    @inline(__always) private func addShards(_ next: inout UnsafeMutablePointer<Buffer>) {
        guard args.shard_total > 0 else { return }
        add(&next, "shard_max", args.shard_max, samples, 8)
        add(&next, "shard_sum", args.shard_sum, samples, 8)
        add(&next, "shard_target", args.shard_target, samples, 8)
    }

    @inline(__always) private func add(
        _ next: inout UnsafeMutablePointer<Buffer>, _ name: StaticString, _ pointer: UnsafeRawPointer?, _ elements: Int64,
        _ size: Int64
    ) {
        guard let pointer else { return }
        let start = UInt(bitPattern: pointer)
        next.initialize(to: Buffer(name: name.c, start: start, end: start &+ UInt(bitPattern: Int(elements &* size))))
        next += 1
    }

    /// Of the types from F32 to I64, a digit each.
    @_transparent private static func size(_ dtype: Int32) -> Int64 { 0x8412_2840 &>> Int64(dtype &* 4) & 15 }
}

/// The quick look before the walk.
extension Overlap {
    /// Whether an ordinary call writes its gradient, which may be in place, and one thing more at most, and these lie as far from
    /// all else as the longer of two is long.  Where this says no the walk decides.
    @_transparent static func areApart(_ args: focal_args) -> Bool {
        let loss = UInt(bitPattern: args.loss), hess = UInt(bitPattern: args.hess), reduced = UInt(bitPattern: args.reduced_loss)
        if (loss == 0 ? 0 : 1) &+ (hess == 0 ? 0 : 1) &+ (reduced == 0 ? 0 : 1) > 1 { return false }
        let scores = UInt(bitPattern: args.scores), targets = UInt(bitPattern: args.targets)
        let grad = UInt(bitPattern: args.grad), other = loss | hess | reduced
        let count = args.outer &* args.inner &* args.classes
        let own = count &* size(args.score_dtype), longer = max(own, count &* size(args.target_dtype))
        let least: Int64 = reduced == 0 ? 0 : 8
        return
            !(areNear(other, scores, max(own, least)) || areNear(other, grad, max(own, least))
            || areNear(other, targets, max(longer, least)) || areNear(grad, targets, longer)
            || (areNear(grad, scores, own) && grad != scores))
    }

    /// Whether less than `length` bytes lie from one address to the other.  An absent buffer is one at address 0.
    @_transparent private static func areNear(_ a: UInt, _ b: UInt, _ length: Int64) -> Bool {
        let length = UInt(bitPattern: Int(length))
        return a &- b &+ (length &- 1) < length &* 2 &- 1
    }
}
