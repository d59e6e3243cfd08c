import CFocalLoss
import CKernels

/// A checked call between the survey of its targets and its report.
struct Passage {
    private let plan: UnsafeMutablePointer<focal_plan>
    private let planner: Planner
    private(set) var status = FOCAL_OK

    init(_ plan: UnsafeMutablePointer<focal_plan>, _ planner: Planner) {
        self.plan = plan
        self.planner = planner
    }

    mutating func go(_ frame: UnsafeMutableRawPointer) {
        do throws(Failure) {
            try Dispatch.fill(&plan.pointee.kernels)
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
        let survey = run.examine(plan.pointee.kernels.survey, Work(units: units, smallestChunk: 8192, isLarge: scores >= 1 << 19))
        if survey.bad_index >= 0 { throw BadTarget(plan: plan, index: survey.bad_index).failure }
        return survey
    }

    @inline(__always) private func compute(_ run: Run) -> Double {
        switch family {
        case .sigmoid:
            run.compute(plan.pointee.kernels.sigmoid, Work(units: scores, smallestChunk: 4096, isLarge: scores >= 1 << 17))
        case .softmax: run.compute(plan.pointee.kernels.softmax, rows)
        case .shardStats: run.compute(plan.pointee.kernels.shard_stats, rows)
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
