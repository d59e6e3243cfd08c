import CFocalLoss
import CKernels
import CSystem

/// The way every call goes: read, check, plan, survey, compute, report.
enum Call {
    /// A descriptor call.
    static func run(_ given: UnsafePointer<focal_args>?, _ family: Check.Family) -> Int32 {
        prepare { plan in
            do throws(Failure) {
                plan.pointee.args = try Arguments.read(given).pointee
            } catch {
                return error.status
            }
            return run(plan, family)
        }
    }

    /// Lends memory for a plan, in the floating-point environment of a call.  The arguments are written into it, there they are
    /// checked, and there the kernels read them: a call on one element would take longer over copies than over its loss.
    @inline(__always) static func prepare(_ body: (UnsafeMutablePointer<focal_plan>) -> Int32) -> Int32 {
        let saved = focal_fp_enter()
        defer { focal_fp_leave(saved) }
        return withUnsafeTemporaryAllocation(of: focal_plan.self, capacity: 1) { body($0.baseAddress.unsafelyUnwrapped) }
    }

    /// A call whose arguments are in its plan.
    static func run(_ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family) -> Int32 {
        do throws(Failure) {
            try Check(plan.args, family).run()
        } catch {
            return error.status
        }
        let planner = Planner(plan: plan, family: family)
        planner.begin()
        var passage = Passage(plan, planner)
        focal_with_frame(
            { passage, frame in
                passage.unsafelyUnwrapped.assumingMemoryBound(to: Passage.self).pointee.go(frame.unsafelyUnwrapped)
            }, &passage)
        return passage.status
    }
}

extension UnsafeMutablePointer<focal_plan> {
    /// Where the arguments are; the functions of a call hand this on and read single fields.
    @inline(__always) var args: UnsafePointer<focal_args> {
        UnsafeRawPointer(self).assumingMemoryBound(to: focal_args.self)
    }
}

/// A checked call between the survey of its targets and its report.
struct Passage {
    private let plan: UnsafeMutablePointer<focal_plan>
    private let planner: Planner
    private var kernels = focal_kernels()
    private(set) var status = FOCAL_OK

    init(_ plan: UnsafeMutablePointer<focal_plan>, _ planner: Planner) {
        self.plan = plan
        self.planner = planner
    }

    mutating func go(_ frame: UnsafeMutableRawPointer) {
        do throws(Failure) {
            try Dispatch.fill(&kernels)
            let run = Run(plan, frame)
            planner.complete(try survey(run))
            report(compute(run))
        } catch {
            status = error.status
        }
    }

    @inline(__always) private var args: focal_args { plan.pointee.args }
    private var family: Check.Family { planner.family }
    private var samples: Int64 { args.outer &* args.inner }
    private var scores: Int64 { samples &* args.classes }
    private var isLabels: Bool { args.target_kind == FOCAL_TARGETS_LABELS }

    @inline(__always) private func survey(_ run: Run) throws(Failure) -> focal_survey {
        // Dense sigmoid targets are looked at one by one, others by sample.
        let units = family == .sigmoid && !isLabels ? scores : samples
        guard scores > 0 && planner.mustSurvey else {
            let valid = Double(family == .sigmoid ? scores : samples)
            return focal_survey(valid: valid, weights: 0, positives: 0, bad_index: -1, soft: 0)
        }
        let survey = run.examine(kernels.survey, Work(units: units, smallestChunk: 8192, isLarge: scores >= 1 << 19))
        if survey.bad_index >= 0 { throw BadTarget(args: plan.args, index: survey.bad_index).failure }
        return survey
    }

    @inline(__always) private func compute(_ run: Run) -> Double {
        switch family {
        case .sigmoid: run.compute(kernels.sigmoid, Work(units: scores, smallestChunk: 4096, isLarge: scores >= 1 << 17))
        case .softmax: run.compute(kernels.softmax, rows)
        case .shardStats: run.compute(kernels.shard_stats, rows)
        }
    }

    /// Rows of a softmax: chunks of some thousand scores.
    private var rows: Work {
        Work(units: samples, smallestChunk: max(1, 4096 / args.classes), isLarge: samples > 1 && scores >= 1 << 16)
    }

    private func report(_ sum: Double) {
        guard let reduced = args.reduced_loss else { return }
        let divisor = plan.pointee.divisor
        reduced.pointee = args.reduction == FOCAL_REDUCTION_SUM ? sum : divisor > 0 ? sum / divisor : 0
    }
}

/// The words for a target that is out of range.
struct BadTarget {
    private let given: UnsafePointer<focal_args>
    private let index: Int64
    @inline(__always) private var args: focal_args { given.pointee }

    init(args: UnsafePointer<focal_args>, index: Int64) {
        given = args
        self.index = index
    }

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
