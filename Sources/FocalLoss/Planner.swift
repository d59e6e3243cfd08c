import CFocalLoss
import CKernels

/// From checked arguments to a plan: what follows from the options alone, then what follows from the targets.
enum Planner {
    static func plan(_ checked: UnsafePointer<focal_args>, _ family: Check.Family) -> focal_plan {
        var plan = focal_plan()
        plan.args = checked.pointee
        plan.softmax = family == .sigmoid ? 0 : 1
        plan.scale = plan.args.grad_scale
        if family == .sigmoid { sigmoid(&plan) }
        return plan
    }

    private static func sigmoid(_ plan: inout focal_plan) {
        // One class is one long run of elements, however it was spelled.
        if plan.args.classes == 1 {
            plan.args.inner &*= plan.args.outer
            plan.args.outer = 1
        }
        let args = plan.args
        let perClass = args.alphas != nil || args.class_weights != nil || args.pos_weights != nil
        plan.uniform = perClass && args.classes > 1 ? 0 : 1
        if plan.uniform != 0 {
            let alpha = args.alphas.map { $0[0] } ?? args.alpha
            let shared = args.class_weights.map { $0[0] } ?? 1
            let isOff = alpha == FOCAL_ALPHA_OFF
            plan.pos = (isOff ? 1 : alpha) * (args.pos_weights.map { $0[0] } ?? args.pos_weight) * shared
            plan.neg = (isOff ? 1 : 1 - alpha) * args.neg_weight * shared
        }
        plan.weightless = plan.uniform != 0 && plan.pos > 0 && plan.neg > 0 && args.weights == nil ? 0 : 1
        plan.careful = args.input != FOCAL_INPUT_LOGITS || args.label_smoothing > 0 ? 1 : 0
        let isFloat = args.target_dtype == FOCAL_DTYPE_F32 || args.target_dtype == FOCAL_DTYPE_F64
        plan.soft = isFloat && args.target_check == FOCAL_TARGETS_TRUSTED ? 1 : 0
    }

    /// Whether the targets must be read before the first write.  Not where dense ones are trusted and the divisor does not
    /// depend on them.
    static func mustSurvey(_ args: focal_args) -> Bool {
        let isMasked = args.ignore_mask != nil || args.ignore_index != focal_label_none
        let counts =
            switch args.divisor {
            case FOCAL_DIVISOR_VALID: isMasked
            case FOCAL_DIVISOR_WEIGHTS, FOCAL_DIVISOR_POSITIVES: true
            default: false
            }
        return args.target_kind == FOCAL_TARGETS_LABELS || args.target_check == FOCAL_TARGETS_CHECKED
            || (args.reduction == FOCAL_REDUCTION_MEAN && counts)
    }

    /// Takes in what the survey of the targets found.
    static func complete(_ plan: UnsafeMutablePointer<focal_plan>, _ survey: focal_survey) {
        let args = plan.pointee.args
        if args.target_check == FOCAL_TARGETS_CHECKED { plan.pointee.soft = survey.soft }
        if args.reduction == FOCAL_REDUCTION_MEAN {
            let divisor = divisor(plan.pointee, survey)
            plan.pointee.divisor = divisor
            plan.pointee.scale = divisor > 0 ? plan.pointee.scale / divisor : 0
        }
        let isLarge = args.outer &* args.inner &* args.classes > largestCached
        plan.pointee.stream = isLarge ? 1 : 0
        plan.pointee.direct = isDirect(plan.pointee) ? 1 : 0
    }

    /// What the mean divides by; 0 where nothing counts.
    static func divisor(_ plan: focal_plan, _ survey: focal_survey) -> Double {
        switch plan.args.divisor {
        case FOCAL_DIVISOR_ELEMENTS:
            Double(plan.args.outer &* plan.args.inner &* (plan.softmax == 0 ? plan.args.classes : 1))
        case FOCAL_DIVISOR_WEIGHTS: survey.weights
        case FOCAL_DIVISOR_POSITIVES: survey.positives > 1 ? survey.positives : 1
        case FOCAL_DIVISOR_VALUE: plan.args.divisor_value
        default: survey.valid
        }
    }

    /// Whether the sigmoid term may write straight into the caller's arrays.
    private static func isDirect(_ plan: focal_plan) -> Bool {
        let args = plan.args
        let out = args.out_dtype == 0 ? args.score_dtype : args.out_dtype
        let plain = args.upstream == nil && args.accumulate == 0 && args.hessian_floor == FOCAL_FLOOR_OFF
        let whole = plan.careful == 0 && plan.weightless == 0 && plan.stream == 0
        let unmasked = args.ignore_mask == nil && args.ignore_index == focal_label_none
        return plain && whole && unmasked && out == (args.score_dtype == FOCAL_DTYPE_F64 ? FOCAL_DTYPE_F64 : FOCAL_DTYPE_F32)
    }

    /// Scores in a call beyond which outputs do not come back from the cache, so they need not go through it.
    private static let largestCached: Int64 = 4 << 20
}
