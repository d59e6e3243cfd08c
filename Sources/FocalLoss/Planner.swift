import CFocalLoss
import CKernels

/// From checked arguments to a plan: what follows from the options alone, then what follows from the targets.
struct Planner {
    let plan: UnsafeMutablePointer<focal_plan>
    let family: Check.Family
    let isOrdinary: Bool
    @_transparent private var args: focal_args { plan.pointee.args.known(isOrdinary) }

    /// Fills what follows from the options; the rest is as for no targets at all.
    @_transparent func begin() {
        plan.pointee.divisor = 0
        plan.pointee.scale = args.grad_scale
        plan.pointee.pos = 1
        plan.pointee.neg = 1
        plan.pointee.softmax = family == .sigmoid ? 0 : 1
        plan.pointee.uniform = 0
        plan.pointee.weightless = 0
        plan.pointee.soft = 0
        plan.pointee.careful = 0
        plan.pointee.direct = 0
        if family == .sigmoid { sigmoid() }
    }

    @_transparent private func sigmoid() {
        // One class is one long run of elements, however it was spelled.
        if args.classes == 1 {
            plan.pointee.args.inner &*= args.outer
            plan.pointee.args.outer = 1
        }
        let perClass = args.alphas != nil || args.class_weights != nil || args.pos_weights != nil
        let isUniform = !perClass || args.classes == 1
        // Of every class, where none differs from another.
        let sides =
            isUniform
            ? focal_weigh(
                args.alphas?[0] ?? args.alpha, args.pos_weights?[0] ?? args.pos_weight, args.neg_weight,
                args.class_weights?[0] ?? 1)
            : focal_sides(positive: 1, negative: 1)
        let isWeighty = isUniform && sides.positive > 0 && sides.negative > 0 && args.weights == nil
        let isFloat = args.target_dtype == FOCAL_DTYPE_F32 || args.target_dtype == FOCAL_DTYPE_F64
        let isCareful = args.input != FOCAL_INPUT_LOGITS || args.label_smoothing > 0
        plan.pointee.uniform = isUniform ? 1 : 0
        plan.pointee.weightless = isWeighty ? 0 : 1
        plan.pointee.pos = sides.positive
        plan.pointee.neg = sides.negative
        plan.pointee.careful = isCareful ? 1 : 0
        plan.pointee.soft = isFloat && args.target_check == FOCAL_TARGETS_TRUSTED ? 1 : 0
        plan.pointee.direct = isWeighty && !isCareful && isPlain ? 1 : 0
    }

    @_transparent private var isMasked: Bool { args.ignore_mask != nil || args.ignore_index != focal_label_none }

    /// Whether the sigmoid term may write straight into the caller's arrays, as far as the options go.
    @_transparent private var isPlain: Bool {
        let out = args.out_dtype == 0 ? args.score_dtype : args.out_dtype
        return args.upstream == nil && args.accumulate == 0 && args.hessian_floor == FOCAL_FLOOR_OFF && !isMasked
            && (out == args.score_dtype || (out == FOCAL_DTYPE_F32 && args.score_dtype != FOCAL_DTYPE_F64))
    }

    /// How the targets must be read before the first write.
    enum Look {
        /// Not at all: dense ones that are trusted, and a divisor that does not depend on them.
        case none
        /// A quick look will do where it finds nothing but 0 and 1: dense ones, one by one, all of which count.
        case quick
        case close
    }

    @_transparent var look: Look {
        let counts =
            switch args.divisor {
            case FOCAL_DIVISOR_VALID: isMasked
            case FOCAL_DIVISOR_WEIGHTS, FOCAL_DIVISOR_POSITIVES: true
            default: false
            }
        let isCounted = args.reduction == FOCAL_REDUCTION_MEAN && counts
        let isDense = args.target_kind == FOCAL_TARGETS_DENSE
        if isDense && args.target_check != FOCAL_TARGETS_CHECKED && !isCounted { return .none }
        return isDense && family == .sigmoid && !isMasked && !isCounted ? .quick : .close
    }

    /// Takes in what the survey of the targets found.
    @_transparent static func complete(
        _ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family, _ survey: focal_survey
    ) {
        if plan.pointee.args.target_check == FOCAL_TARGETS_CHECKED { plan.pointee.soft = survey.soft }
        if plan.pointee.args.reduction == FOCAL_REDUCTION_MEAN {
            let divisor = divisor(plan.pointee.args, family, survey)
            plan.pointee.divisor = divisor
            plan.pointee.scale = divisor > 0 ? plan.pointee.scale / divisor : 0
        }
    }

    /// What the mean divides by; 0 where nothing counts.
    @_transparent private static func divisor(
        _ args: focal_args, _ family: Check.Family, _ survey: focal_survey
    ) -> Double {
        switch args.divisor {
        case FOCAL_DIVISOR_ELEMENTS: Double(args.outer &* args.inner &* (family == .sigmoid ? args.classes : 1))
        case FOCAL_DIVISOR_WEIGHTS: survey.weights
        case FOCAL_DIVISOR_POSITIVES: survey.positives > 1 ? survey.positives : 1
        case FOCAL_DIVISOR_VALUE: args.divisor_value
        default: survey.valid
        }
    }
}
