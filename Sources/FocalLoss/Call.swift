import CFocalLoss
import CKernels
import CSystem

/// The way every descriptor call goes: read, check, plan, survey, compute, report.
enum Call {
    static func run(_ given: UnsafePointer<focal_args>?, _ family: Check.Family) -> Int32 {
        let saved = focal_fp_enter()
        defer { focal_fp_leave(saved) }
        do throws(Failure) {
            let args = try Arguments.read(given)
            try Check(args, family).run()
            let kernels = try Dispatch.kernels()
            var plan = Planner.plan(args, family)
            return withUnsafeMutablePointer(to: &plan) { plan in
                var passage = Passage(plan: plan, kernels: kernels, family: family)
                focal_with_frame(
                    { passage, frame in
                        passage.unsafelyUnwrapped.assumingMemoryBound(to: Passage.self).pointee.go(frame.unsafelyUnwrapped)
                    }, &passage)
                return passage.status
            }
        } catch {
            return error.status
        }
    }
}

/// A checked call between the survey of its targets and its report.
struct Passage {
    let plan: UnsafeMutablePointer<focal_plan>
    let kernels: focal_kernels
    let family: Check.Family
    var status = FOCAL_OK

    mutating func go(_ frame: UnsafeMutableRawPointer) {
        do throws(Failure) {
            let run = Run(plan, frame)
            Planner.complete(plan, try survey(run))
            compute(run)
        } catch {
            status = error.status
        }
    }

    @inline(__always) private var args: focal_args { plan.pointee.args }
    private var samples: Int64 { args.outer &* args.inner }
    private var scores: Int64 { samples &* args.classes }
    private var isLabels: Bool { args.target_kind == FOCAL_TARGETS_LABELS }

    private func survey(_ run: Run) throws(Failure) -> focal_survey {
        // Dense sigmoid targets are looked at one by one, others by sample.
        let units = family == .sigmoid && !isLabels ? scores : samples
        guard scores > 0 && Planner.mustSurvey(args) else {
            let valid = Double(family == .sigmoid ? scores : samples)
            return focal_survey(valid: valid, weights: 0, positives: 0, bad_index: -1, soft: 0)
        }
        let work = Work(smallestChunk: 8192, large: (1 << 19) / (scores / units))
        let survey = run.examine(kernels.survey, units: units, work: work)
        if survey.bad_index >= 0 { throw BadTarget(args: args, index: survey.bad_index).failure }
        return survey
    }

    private func compute(_ run: Run) {
        let sum = switch family {
        case .sigmoid: run.compute(kernels.sigmoid, units: scores, work: Work(smallestChunk: 4096, large: 1 << 17))
        case .softmax: run.compute(kernels.softmax, units: samples, work: .rows(args))
        case .shardStats: run.compute(kernels.shard_stats, units: samples, work: .rows(args))
        }
        guard let reduced = args.reduced_loss else { return }
        let divisor = plan.pointee.divisor
        reduced.pointee = args.reduction == FOCAL_REDUCTION_SUM ? sum : divisor > 0 ? sum / divisor : 0
    }
}

/// The words for a target that is out of range.
struct BadTarget {
    let args: focal_args
    let index: Int64

    var failure: Failure {
        let failure = Failure(FOCAL_ERROR_TARGET).says("targets[", index, "] is ")
        let targets = args.targets.unsafelyUnwrapped, i = Int(index)
        switch args.target_dtype {
        case FOCAL_DTYPE_F32: return failure.says("", Double(targets.loadUnaligned(fromByteOffset: i &* 4, as: Float.self)), range)
        case FOCAL_DTYPE_F64: return failure.says("", targets.loadUnaligned(fromByteOffset: i &* 8, as: Double.self), range)
        case FOCAL_DTYPE_U8: return integer(failure, Int64(targets.loadUnaligned(fromByteOffset: i, as: UInt8.self)))
        case FOCAL_DTYPE_I32: return integer(failure, Int64(targets.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self)))
        default: return integer(failure, targets.loadUnaligned(fromByteOffset: i &* 8, as: Int64.self))
        }
    }

    private var range: StaticString { ", outside [0, 1]" }

    private func integer(_ failure: Failure, _ value: Int64) -> Failure {
        guard args.target_kind == FOCAL_TARGETS_LABELS else { return failure.says("", value, ", neither 0 nor 1") }
        let limit = args.shard_total > 0 ? args.shard_total : args.classes
        return failure.says("", value, ", outside [0, ").says("", limit, ")")
    }
}

extension Work {
    /// Rows of a softmax: chunks of some thousand scores.
    static func rows(_ args: focal_args) -> Work {
        Work(smallestChunk: max(1, 4096 / args.classes), large: max(2, (1 << 16) / args.classes))
    }
}

/// Reading a caller's descriptor, older or newer than this library.
enum Arguments {
    static let size = UInt32(MemoryLayout<focal_args>.size)

    static func read(_ given: UnsafePointer<focal_args>?) throws(Failure) -> UnsafePointer<focal_args> {
        guard let given else { throw Failure(FOCAL_ERROR_NULL).says("args is NULL") }
        guard given.pointee.struct_size == size else {
            throw Failure(FOCAL_ERROR_SIZE).says("struct_size is ", Int64(given.pointee.struct_size), ": use focal_args_init")
        }
        return given
    }

    static func defaults() -> focal_args {
        var args = focal_args()
        args.struct_size = size
        args.classes = 1
        args.inner = 1
        args.score_dtype = FOCAL_DTYPE_F32
        args.target_dtype = FOCAL_DTYPE_F32
        args.weight_dtype = FOCAL_DTYPE_F32
        args.ignore_index = focal_label_none
        args.background_label = focal_label_none
        args.gamma = 2
        args.alpha = FOCAL_ALPHA_OFF
        args.pos_weight = 1
        args.neg_weight = 1
        args.grad_scale = 1
        args.hessian_scale = 1
        args.hessian_floor = FOCAL_FLOOR_OFF
        return args
    }
}
