import CFocalLoss
import CKernels

/// No output may share a byte with another buffer, except that `grad` (and a sigmoid's `loss`) may be exactly `scores`.
struct Overlap {
    let args: UnsafePointer<focal_args>
    let family: Check.Family

    private struct Buffer {
        let name: StaticString
        let start: UInt
        let end: UInt
    }

    /// The buffers that a call has, outputs first: a handful, on the stack.
    private struct Buffers {
        let memory: UnsafeMutablePointer<Buffer>
        var count = 0

        mutating func add(_ name: StaticString, _ pointer: UnsafeRawPointer?, _ elements: Int64, _ size: Int64) {
            guard let pointer, elements > 0 else { return }
            let start = UInt(bitPattern: pointer)
            (memory + count).initialize(to: Buffer(name: name, start: start, end: start &+ UInt(bitPattern: Int(elements &* size))))
            count &+= 1
        }
    }

    func check() throws(Failure) {
        let found = withUnsafeTemporaryAllocation(of: Buffer.self, capacity: 22) { memory in
            firstOverlap(memory.baseAddress.unsafelyUnwrapped)
        }
        if let found { throw Failure(FOCAL_ERROR_OVERLAP).says("", found.output, " overlaps ").says("", found.other, "") }
    }

    private func firstOverlap(_ memory: UnsafeMutablePointer<Buffer>) -> (output: StaticString, other: StaticString)? {
        var buffers = Buffers(memory: memory)
        addOutputs(&buffers)
        let outputs = buffers.count
        addInputs(&buffers)
        for i in 0..<outputs {
            for j in (i &+ 1)..<buffers.count where memory[i].start < memory[j].end && memory[j].start < memory[i].end {
                if !(j == outputs && isInPlace(memory[i], memory[j])) { return (memory[i].name, memory[j].name) }
            }
        }
        return nil
    }

    /// The first input is `scores`.
    private func isInPlace(_ output: Buffer, _ scores: Buffer) -> Bool {
        let pointer = UnsafeMutableRawPointer(bitPattern: output.start)
        let mayBe = pointer == args.pointee.grad || (pointer == args.pointee.loss && family == .sigmoid)
        return mayBe && output.start == scores.start && output.end == scores.end && outSize == size(args.pointee.score_dtype)
    }

    private var samples: Int64 { args.pointee.outer &* args.pointee.inner }
    private var scores: Int64 { samples &* args.pointee.classes }
    private var outSize: Int64 { size(args.pointee.out_dtype == 0 ? args.pointee.score_dtype : args.pointee.out_dtype) }
    private var isSigmoid: Bool { family == .sigmoid }
    /// Step one of a sharded softmax writes the three arrays that step two reads.
    private var writesShards: Bool { family == .shardStats }

    private func addOutputs(_ buffers: inout Buffers) {
        let a = args.pointee
        buffers.add("grad", a.grad, scores, outSize)
        buffers.add("loss", a.loss, isSigmoid ? scores : samples, outSize)
        buffers.add("reduced_loss", a.reduced_loss, 1, 8)
        buffers.add("hess", a.hess, scores, outSize)
        buffers.add("hess_full", a.hess_full, scores &* a.classes, outSize)
        buffers.add("probabilities", a.probabilities, scores, outSize)
        buffers.add("log_sum_exp", a.log_sum_exp, samples, outSize)
        if writesShards { addShards(&buffers) }
    }

    private func addInputs(_ buffers: inout Buffers) {
        let a = args.pointee
        let labels = a.target_kind == FOCAL_TARGETS_LABELS
        let classes = a.shard_total > 0 ? a.shard_total : a.classes
        buffers.add("scores", a.scores, scores, size(a.score_dtype))
        buffers.add("targets", a.targets, labels ? samples : scores, size(a.target_dtype))
        buffers.add("weights", a.weights, a.weight_layout == FOCAL_WEIGHTS_ELEMENT ? scores : samples, size(a.weight_dtype))
        buffers.add("upstream", a.upstream, isSigmoid ? scores : samples, outSize)
        buffers.add("ignore_mask", a.ignore_mask, isSigmoid && !labels ? scores : samples, 1)
        buffers.add("alphas", a.alphas, classes, 8)
        buffers.add("gammas", a.gammas, classes, 8)
        buffers.add("class_weights", a.class_weights, classes, 8)
        buffers.add("pos_weights", a.pos_weights, classes, 8)
        if !writesShards { addShards(&buffers) }
    }

    private func addShards(_ buffers: inout Buffers) {
        guard args.pointee.shard_total > 0 else { return }
        buffers.add("shard_max", args.pointee.shard_max, samples, 8)
        buffers.add("shard_sum", args.pointee.shard_sum, samples, 8)
        buffers.add("shard_target", args.pointee.shard_target, samples, 8)
    }

    private func size(_ dtype: Int32) -> Int64 {
        switch dtype {
        case FOCAL_DTYPE_F64, FOCAL_DTYPE_I64: 8
        case FOCAL_DTYPE_BF16, FOCAL_DTYPE_F16: 2
        case FOCAL_DTYPE_U8: 1
        default: 4
        }
    }
}
