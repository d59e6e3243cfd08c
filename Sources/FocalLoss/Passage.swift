import CFocalLoss
import CKernels

/// A checked call, from the survey of its targets to its report.
struct Passage {
    private let plan: UnsafeMutablePointer<focal_plan>
    private let family: Check.Family
    private let look: Planner.Look
    private(set) var status = FOCAL_OK
    private let samples: Int64
    private let scores: Int64

    @_transparent init(
        _ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family, _ look: Planner.Look, samples: Int64, scores: Int64
    ) {
        self.plan = plan
        self.family = family
        self.look = look
        self.samples = samples
        self.scores = scores
    }

    /// Of a passage, in the frame of `focal_with_frame`.
    @inline(__always) static func go(_ passage: UnsafeMutableRawPointer?, _ frame: UnsafeMutableRawPointer?) {
        passage.unsafelyUnwrapped.assumingMemoryBound(to: Passage.self).pointee.go(frame.unsafelyUnwrapped)
    }

    @inline(__always) private mutating func go(_ frame: UnsafeMutableRawPointer) {
        let run = Run(plan, frame)
        do throws(Failure) {
            Planner.complete(plan, family, try survey(run))
        } catch {
            status = error.status
            return
        }
        report(compute(run))
    }

    @inline(__always) private var args: focal_args { plan.pointee.args }
    @inline(__always) private var kernels: focal_kernels { plan.pointee.table.pointee }
    private var isLabels: Bool { args.target_kind == FOCAL_TARGETS_LABELS }

    @inline(__always) private func survey(_ run: Run) throws(Failure) -> focal_survey {
        // Dense sigmoid targets are looked at one by one, others by sample.
        let units = family == .sigmoid && !isLabels ? scores : samples
        let work = Work(units: units, smallestChunk: 8192, isLarge: scores >= 1 << 19)
        if scores == 0 || look == .none || (look == .quick && work.isOneChunk && kernels.is_any_soft(plan, 0, units) == 0) {
            let valid = Double(family == .sigmoid ? scores : samples)
            return focal_survey(valid: valid, weights: 0, positives: 0, bad_index: -1, soft: 0)
        }
        let survey = run.examine(kernels.survey, work)
        if survey.bad_index >= 0 { throw BadTarget(plan: plan, index: survey.bad_index).failure }
        return survey
    }

    @inline(__always) private func compute(_ run: Run) -> Double {
        if family == .sigmoid {
            return run.compute(kernels.sigmoid, Work(units: scores, smallestChunk: 4096, isLarge: scores >= 1 << 17))
        }
        return run.compute(family == .softmax ? kernels.softmax : kernels.shard_stats, rows)
    }

    /// Samples of a softmax: chunks of some thousand scores and of whole tiles (SoftmaxColumns, SoftmaxRows), so that vectors of
    /// samples are full, and stand in their planes as the first does.
    private var rows: Work {
        let classes = args.classes
        let tile: Int64 =
            switch classes {
            case ...32: 64
            case ...256: 32
            default: args.inner > 1 ? 16 : classes <= 1024 ? 8 : 1
            }
        return Work(
            units: samples, smallestChunk: (4096 / classes / tile &+ 1) &* tile, isLarge: samples > 1 && scores >= 1 << 16)
    }

    private func report(_ sum: Double) {
        guard let reduced = args.reduced_loss else { return }
        let divisor = plan.pointee.divisor
        reduced.pointee = args.reduction == FOCAL_REDUCTION_SUM ? sum : divisor > 0 ? sum / divisor : 0
    }
}
