import CFocalLoss
import CKernels

/// From checked arguments to a plan: what follows from the options alone, then what follows from the targets.
struct Planner {
    let plan: UnsafeMutablePointer<focal_plan>
    let family: Check.Family
    @inline(__always) private var args: focal_args { plan.pointee.args }

    /// Fills what follows from the options; the rest is as for no targets at all.
    func begin() {
        plan.pointee.divisor = 0
        plan.pointee.scale = args.grad_scale
        plan.pointee.pos = 1
        plan.pointee.neg = 1
        plan.pointee.softmax = family == .sigmoid ? 0 : 1
        plan.pointee.uniform = 0
        plan.pointee.weightless = 0
        plan.pointee.soft = 0
        plan.pointee.careful = 0
        if family == .sigmoid { sigmoid() }
    }

    private func sigmoid() {
        // One class is one long run of elements, however it was spelled.
        if args.classes == 1 {
            plan.pointee.args.inner &*= args.outer
            plan.pointee.args.outer = 1
        }
        let perClass = args.alphas != nil || args.class_weights != nil || args.pos_weights != nil
        let isUniform = !perClass || args.classes == 1
        // Of every class, where none differs from another.
        let sides = isUniform ? focal_element_weights(plan, 0) : focal_sides(positive: 1, negative: 1)
        let isWeighty = isUniform && sides.positive > 0 && sides.negative > 0 && args.weights == nil
        let isFloat = args.target_dtype == FOCAL_DTYPE_F32 || args.target_dtype == FOCAL_DTYPE_F64
        plan.pointee.uniform = isUniform ? 1 : 0
        plan.pointee.weightless = isWeighty ? 0 : 1
        plan.pointee.pos = sides.positive
        plan.pointee.neg = sides.negative
        plan.pointee.careful = args.input != FOCAL_INPUT_LOGITS || args.label_smoothing > 0 ? 1 : 0
        plan.pointee.soft = isFloat && args.target_check == FOCAL_TARGETS_TRUSTED ? 1 : 0
    }

    /// Whether the targets must be read before the first write.  Not where dense ones are trusted and the divisor does not
    /// depend on them.
    var mustSurvey: Bool {
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
    func complete(_ survey: focal_survey) {
        if args.target_check == FOCAL_TARGETS_CHECKED { plan.pointee.soft = survey.soft }
        if args.reduction == FOCAL_REDUCTION_MEAN {
            let divisor = divisor(survey)
            plan.pointee.divisor = divisor
            plan.pointee.scale = divisor > 0 ? plan.pointee.scale / divisor : 0
        }
        plan.pointee.direct = isDirect ? 1 : 0
    }

    /// What the mean divides by; 0 where nothing counts.
    private func divisor(_ survey: focal_survey) -> Double {
        switch args.divisor {
        case FOCAL_DIVISOR_ELEMENTS: Double(args.outer &* args.inner &* (family == .sigmoid ? args.classes : 1))
        case FOCAL_DIVISOR_WEIGHTS: survey.weights
        case FOCAL_DIVISOR_POSITIVES: survey.positives > 1 ? survey.positives : 1
        case FOCAL_DIVISOR_VALUE: args.divisor_value
        default: survey.valid
        }
    }

    /// Whether the sigmoid term may write straight into the caller's arrays.
    private var isDirect: Bool {
        let out = args.out_dtype == 0 ? args.score_dtype : args.out_dtype
        let plain = args.upstream == nil && args.accumulate == 0 && args.hessian_floor == FOCAL_FLOOR_OFF
        let whole = plan.pointee.careful == 0 && plan.pointee.weightless == 0
        let unmasked = args.ignore_mask == nil && args.ignore_index == focal_label_none
        let isNative = out == args.score_dtype || (out == FOCAL_DTYPE_F32 && args.score_dtype != FOCAL_DTYPE_F64)
        return plain && whole && unmasked && isNative
    }
}
