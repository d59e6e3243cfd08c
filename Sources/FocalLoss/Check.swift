import CFocalLoss
import CKernels
import CSystem

/// Every rule an argument must obey, each in one place, before anything is computed.
///
/// The order is that of trust: the struct itself, constants, sizes, pointers, numbers, arrays of numbers, overlap.
struct Check {
    let plan: UnsafePointer<focal_plan>
    let family: Family
    /// A constant wherever a check is made: rules about fields that an ordinary call leaves alone are then not compiled, nor are
    /// the words, for a check that fails is made again to say why.
    let isOrdinary: Bool
    @_transparent private var args: focal_args { plan.pointee.args.known(isOrdinary) }

    enum Family { case sigmoid, softmax, shardStats }

    @_transparent func run() throws(Failure) {
        try options()
        try sizes()
        try pointers()
        try numbers()
        try classArrays()
        try meaning()
        if !(isOrdinary && Overlap.areApart(args)) { try Overlap(plan, family).check() }
    }

    /// A rule: what must hold, and the failure where it does not.
    @_transparent private func require(_ holds: Bool, _ failure: @autoclosure () -> Failure) throws(Failure) {
        if !holds { throw isOrdinary ? Failure.untold : failure() }
    }

    // MARK: - Constants

    @_transparent private func options() throws(Failure) {
        try option("score_dtype", args.score_dtype, FOCAL_DTYPE_F32, FOCAL_DTYPE_F16)
        try option("input", args.input, FOCAL_INPUT_LOGITS, FOCAL_INPUT_PROBABILITIES)
        try option("target_kind", args.target_kind, FOCAL_TARGETS_DENSE, FOCAL_TARGETS_LABELS)
        try option("target_check", args.target_check, FOCAL_TARGETS_CHECKED, FOCAL_TARGETS_TRUSTED)
        try option("soft_rule", args.soft_rule, FOCAL_SOFT_INTERPOLATE, FOCAL_SOFT_QUALITY)
        try option("smoothing_rule", args.smoothing_rule, FOCAL_SMOOTHING_TARGETS, FOCAL_SMOOTHING_CE)
        try option("weight_layout", args.weight_layout, FOCAL_WEIGHTS_SAMPLE, FOCAL_WEIGHTS_ELEMENT)
        try option("weight_dtype", args.weight_dtype, FOCAL_DTYPE_F32, FOCAL_DTYPE_F64)
        try option("reduction", args.reduction, FOCAL_REDUCTION_NONE, FOCAL_REDUCTION_MEAN)
        try option("divisor", args.divisor, FOCAL_DIVISOR_VALID, FOCAL_DIVISOR_VALUE)
        try option("hessian", args.hessian, FOCAL_HESSIAN_EXACT, FOCAL_HESSIAN_GAUSS_NEWTON)
        try option("accumulate", args.accumulate, 0, 1)
        let target = args.target_dtype
        let isFloat = target == FOCAL_DTYPE_F32 || target == FOCAL_DTYPE_F64
        let isInteger = target >= FOCAL_DTYPE_U8 && target <= FOCAL_DTYPE_I64
        try require(
            isInteger || (isFloat && args.target_kind == FOCAL_TARGETS_DENSE),
            Failure(FOCAL_ERROR_OPTION, "target_dtype is \(target), not a type of these targets"))
        let out = args.out_dtype
        try require(
            out == 0 || out == args.score_dtype || out == FOCAL_DTYPE_F32 || out == FOCAL_DTYPE_F64,
            Failure(FOCAL_ERROR_OPTION, "out_dtype is \(out), not 0, score_dtype, F32 or F64"))
    }

    @_transparent private func option(_ name: StaticString, _ value: Int32, _ first: Int32, _ last: Int32) throws(Failure) {
        try require(value >= first && value <= last, Check.unknown(name.c, value))
    }

    @inline(never) private static func unknown(_ name: UnsafePointer<CChar>, _ value: Int32) -> Failure {
        Failure(FOCAL_ERROR_OPTION, "\(name) is \(value), not a constant of the header")
    }

    // MARK: - Sizes

    @_transparent private func sizes() throws(Failure) {
        try require(args.outer >= 0, Failure(FOCAL_ERROR_SIZE, "outer is \(args.outer), negative"))
        try require(args.inner >= 0, Failure(FOCAL_ERROR_SIZE, "inner is \(args.inner), negative"))
        try require(args.classes >= 1, Failure(FOCAL_ERROR_SIZE, "classes is \(args.classes), less than 1"))
        try require(args.threads >= 0, Failure(FOCAL_ERROR_VALUE, "threads is \(args.threads), negative"))
        // The largest array is the full Hessian, or 8 bytes a score.
        let full = args.hess_full == nil ? 1 : args.classes
        try require(
            args.outer.times(args.inner)?.times(args.classes)?.times(full)?.times(8) != nil,
            Failure(FOCAL_ERROR_SIZE, "outer x classes x inner overflows"))
        let (offset, total) = (args.shard_offset, args.shard_total)
        try require(
            total == 0 || (offset >= 0 && total >= 0 && args.classes <= total && offset <= total &- args.classes),
            Failure(FOCAL_ERROR_SIZE, "shard_offset is \(offset): the shard ends past shard_total"))
    }

    // MARK: - Pointers

    @_transparent private func pointers() throws(Failure) {
        guard args.outer > 0 && args.inner > 0 else { return }
        try pointer("scores", args.scores)
        try pointer("targets", args.targets)
        if family == .shardStats || (family == .softmax && args.shard_total > 0) {
            try pointer("shard_max", args.shard_max)
            try pointer("shard_sum", args.shard_sum)
            try pointer("shard_target", args.shard_target)
        }
    }

    @_transparent private func pointer(_ name: StaticString, _ pointer: UnsafeRawPointer?) throws(Failure) {
        try require(pointer != nil, Check.missing(name.c))
    }

    @inline(never) private static func missing(_ name: UnsafePointer<CChar>) -> Failure {
        Failure(FOCAL_ERROR_NULL, "\(name) is NULL")
    }

    // MARK: - Numbers

    @_transparent private func numbers() throws(Failure) {
        try number("gamma", args.gamma, 0, 1e6)
        try number("label_smoothing", args.label_smoothing, 0, 1)
        try require(
            args.clip >= 0 && args.clip < 0.5, Failure(FOCAL_ERROR_VALUE, "clip is \(args.clip), outside [0, .5)"))
        // A sigmoid's alpha is a share, a softmax's a weight.
        if args.alphas == nil && args.alpha != FOCAL_ALPHA_OFF {
            try number("alpha", args.alpha, 0, family == .sigmoid ? 1 : .greatestFiniteMagnitude)
        }
        try number("pos_weight", args.pos_weight, 0, .greatestFiniteMagnitude)
        try number("neg_weight", args.neg_weight, 0, .greatestFiniteMagnitude)
        try finite("grad_scale", args.grad_scale)
        try finite("hessian_scale", args.hessian_scale)
        try finite("hessian_floor", args.hessian_floor)
        let value = args.divisor_value
        try require(
            args.divisor != FOCAL_DIVISOR_VALUE || args.reduction != FOCAL_REDUCTION_MEAN || (value > 0 && value.isFinite),
            Failure(FOCAL_ERROR_VALUE, "divisor_value is \(value), not finite and above 0"))
    }

    @_transparent private func number(_ name: StaticString, _ value: Double, _ low: Double, _ high: Double) throws(Failure) {
        try require(value >= low && value <= high, Check.outside(name.c, value, low, high))
    }

    @inline(never) private static func outside(
        _ name: UnsafePointer<CChar>, _ value: Double, _ low: Double, _ high: Double
    ) -> Failure {
        Failure(FOCAL_ERROR_VALUE, "\(name) is \(value), outside [\(low), \(high)]")
    }

    @_transparent private func finite(_ name: StaticString, _ value: Double) throws(Failure) {
        try require(value.isFinite, Check.notFinite(name.c))
    }

    @inline(never) private static func notFinite(_ name: UnsafePointer<CChar>) -> Failure {
        Failure(FOCAL_ERROR_VALUE, "\(name) is not finite")
    }

    // MARK: - Arrays of one number a class

    @_transparent private func classArrays() throws(Failure) {
        let largest = Double.greatestFiniteMagnitude
        try array("alphas", args.alphas, family == .sigmoid ? 1 : largest, offAllowed: family == .sigmoid)
        try array("gammas", args.gammas, 1e6)
        try array("class_weights", args.class_weights, largest)
        try array("pos_weights", args.pos_weights, largest)
    }

    @_transparent private func array(
        _ name: StaticString, _ values: UnsafePointer<Double>?, _ high: Double, offAllowed: Bool = false
    ) throws(Failure) {
        if let values {
            try Check.walk(name.c, values, args.shard_total > 0 ? args.shard_total : args.classes, high, offAllowed)
        }
    }

    @inline(never) private static func walk(
        _ name: UnsafePointer<CChar>, _ values: UnsafePointer<Double>, _ count: Int64, _ high: Double, _ offAllowed: Bool
    ) throws(Failure) {
        for i in 0..<Int(count) {
            if offAllowed && values[i] == FOCAL_ALPHA_OFF { continue }
            guard values[i] >= 0 && values[i] <= high else {
                throw Failure(FOCAL_ERROR_VALUE, "\(name)[\(i)] is \(values[i]), outside [0, \(high)]")
            }
        }
    }

    // MARK: - Options that have no meaning together

    @_transparent private func meaning() throws(Failure) {
        let labels = args.target_kind == FOCAL_TARGETS_LABELS
        try refuse(args.reduced_loss != nil && args.reduction == FOCAL_REDUCTION_NONE, "reduced_loss needs reduction SUM or MEAN")
        try refuse(args.shard_total > 0 && family == .sigmoid, "shard_total is for focal_softmax")
        if family == .sigmoid {
            try refuse(args.gammas != nil, "gammas is for focal_softmax with labels")
            try refuse(args.hess_full != nil, "hess_full is for focal_softmax")
            try refuse(args.probabilities != nil, "probabilities is for focal_softmax")
            try refuse(args.log_sum_exp != nil, "log_sum_exp is for focal_softmax")
            return
        }
        try refuse(args.input != FOCAL_INPUT_LOGITS, "input must be logits for focal_softmax")
        try refuse(args.weight_layout != FOCAL_WEIGHTS_SAMPLE, "weight_layout must be SAMPLE for focal_softmax")
        try refuse(args.pos_weights != nil, "pos_weights is for focal_sigmoid")
        try refuse(args.pos_weight != 1, "pos_weight is for focal_sigmoid")
        try refuse(args.neg_weight != 1, "neg_weight is for focal_sigmoid")
        try refuse(args.soft_rule == FOCAL_SOFT_QUALITY, "soft_rule QUALITY is for focal_sigmoid")
        try refuse(!labels && args.gammas != nil, "gammas needs labels")
        try refuse(!labels && args.hess_full != nil, "hess_full needs labels")
        try refuse(args.hess_full != nil && args.hessian != FOCAL_HESSIAN_EXACT, "hess_full is exact only")
        try refuse(args.hess_full != nil && args.hessian_floor != FOCAL_FLOOR_OFF, "hess_full has no hessian_floor")
        try refuse(args.hess_full != nil && args.classes > 4096, "hess_full needs at most 4096 classes")
        try refuse(args.hess_full != nil && args.label_smoothing > 0, "hess_full has no label_smoothing")
        try refuse(!labels && args.ignore_index != focal_label_none, "ignore_index needs labels or focal_sigmoid")
        let sharded = args.shard_total > 0 || family == .shardStats
        try refuse(sharded && !labels, "shard_total needs labels")
        try refuse(sharded && args.label_smoothing > 0, "shard_total has no label_smoothing")
        try refuse(sharded && args.hess_full != nil, "shard_total has no hess_full")
        try refuse(family == .shardStats && args.shard_total == 0, "shard_total is 0")
    }

    @_transparent private func refuse(_ condition: Bool, _ words: StaticString) throws(Failure) {
        try require(!condition, Check.refusal(words.c))
    }

    @inline(never) private static func refusal(_ words: UnsafePointer<CChar>) -> Failure {
        Failure(FOCAL_ERROR_UNSUPPORTED, "\(words)")
    }
}

extension Int64 {
    /// The product of two sizes, or nil where it overflows.
    @_transparent func times(_ other: Int64) -> Int64? {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? nil : product
    }
}
