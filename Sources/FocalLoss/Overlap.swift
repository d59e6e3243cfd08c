import CFocalLoss
import CKernels

/// No output may share a byte with another buffer, except that `grad` (and a sigmoid's `loss`) may be exactly `scores`.
struct Overlap {
    let args: focal_args
    let family: Check.Family

    /// A buffer of the call, by number: the outputs first.
    private struct Buffer {
        let name: StaticString
        let start: UInt
        let bytes: UInt

        init(_ name: StaticString, _ pointer: UnsafeRawPointer?, _ count: Int64, _ size: Int64) {
            self.name = name
            start = UInt(bitPattern: pointer)
            bytes = pointer == nil ? 0 : UInt(bitPattern: Int(count &* size))
        }

        func overlaps(_ other: Buffer) -> Bool {
            bytes > 0 && other.bytes > 0 && start < other.start &+ other.bytes && other.start < start &+ bytes
        }
    }

    private static let outputs = 10
    private static let buffers = 19

    func check() throws(Failure) {
        for i in 0..<Overlap.outputs {
            let output = buffer(i)
            if output.bytes == 0 { continue }
            for j in (i &+ 1)..<Overlap.buffers {
                let other = buffer(j)
                if output.overlaps(other) && !isInPlace(i, output, j, other) {
                    throw Failure(FOCAL_ERROR_OVERLAP).says("", output.name, " overlaps ").says("", other.name, "")
                }
            }
        }
    }

    private func isInPlace(_ i: Int, _ output: Buffer, _ j: Int, _ scores: Buffer) -> Bool {
        let mayBe = i == 0 || (i == 1 && family == .sigmoid)
        return mayBe && j == Overlap.outputs && output.start == scores.start && output.bytes == scores.bytes
            && size(args.out_dtype == 0 ? args.score_dtype : args.out_dtype) == size(args.score_dtype)
    }

    private func buffer(_ index: Int) -> Buffer {
        let samples = args.outer &* args.inner
        let scores = samples &* args.classes
        let isSigmoid = family == .sigmoid
        let out = size(args.out_dtype == 0 ? args.score_dtype : args.out_dtype)
        let labels = args.target_kind == FOCAL_TARGETS_LABELS
        let classes = args.shard_total > 0 ? args.shard_total : args.classes
        // Step two of a sharded softmax reads the three arrays that step one wrote.
        let written = family == .shardStats
        let elements = args.weight_layout == FOCAL_WEIGHTS_ELEMENT ? scores : samples
        return switch index {
        case 0: Buffer("grad", args.grad, scores, out)
        case 1: Buffer("loss", args.loss, isSigmoid ? scores : samples, out)
        case 2: Buffer("reduced_loss", args.reduced_loss, 1, 8)
        case 3: Buffer("hess", args.hess, scores, out)
        case 4: Buffer("hess_full", args.hess_full, scores &* args.classes, out)
        case 5: Buffer("probabilities", args.probabilities, scores, out)
        case 6: Buffer("log_sum_exp", args.log_sum_exp, samples, out)
        case 7: Buffer("shard_max", written ? args.shard_max : nil, samples, 8)
        case 8: Buffer("shard_sum", written ? args.shard_sum : nil, samples, 8)
        case 9: Buffer("shard_target", written ? args.shard_target : nil, samples, 8)
        case 10: Buffer("scores", args.scores, scores, size(args.score_dtype))
        case 11: Buffer("targets", args.targets, labels ? samples : scores, size(args.target_dtype))
        case 12: Buffer("weights", args.weights, elements, size(args.weight_dtype))
        case 13: Buffer("upstream", args.upstream, isSigmoid ? scores : samples, out)
        case 14: Buffer("ignore_mask", args.ignore_mask, isSigmoid && !labels ? scores : samples, 1)
        case 15: Buffer("alphas", args.alphas, classes, 8)
        case 16: Buffer("gammas", args.gammas, classes, 8)
        case 17: Buffer("class_weights", args.class_weights, classes, 8)
        default: Buffer("pos_weights", args.pos_weights, classes, 8)
        }
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
