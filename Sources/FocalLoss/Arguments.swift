import CFocalLoss
import CKernels

/// Reading a caller's descriptor, older or newer than this library.
enum Arguments {
    static let size = UInt32(MemoryLayout<focal_args>.size)

    static func read(_ given: UnsafePointer<focal_args>?) throws(Failure) -> UnsafePointer<focal_args> {
        guard let given else { throw Failure(FOCAL_ERROR_NULL, "args is NULL") }
        guard given.pointee.struct_size == size else {
            throw Failure(FOCAL_ERROR_SIZE, "struct_size is \(given.pointee.struct_size): use focal_args_init")
        }
        return given
    }

    @inline(never) static func defaults() -> focal_args { constants }

    @_transparent fileprivate static var constants: focal_args {
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

/// Most calls leave most fields at their defaults, which obey every rule.
extension focal_args {
    /// Whether all fields but those named in `known` have their defaults.
    var isOrdinary: Bool {
        let options = input | target_check | soft_rule | smoothing_rule | weight_layout | divisor | accumulate | out_dtype
        let numbers = clip.bitPattern | label_smoothing.bitPattern | UInt64(bitPattern: shard_total)
        let arrays =
            bits(ignore_mask) | bits(gammas) | bits(alphas) | bits(weights) | bits(class_weights) | bits(pos_weights)
            | bits(upstream) | bits(hess_full) | bits(probabilities) | bits(log_sum_exp)
        return options == 0 && numbers | UInt64(arrays) == 0 && weight_dtype == FOCAL_DTYPE_F32
            && ignore_index == focal_label_none && grad_scale == 1 && hessian_scale == 1 && hessian_floor == FOCAL_FLOOR_OFF
    }

    /// The arguments, of which all but these fields are constants in an ordinary call: what is asked of the others need not be
    /// compiled.
    @_transparent func known(_ isOrdinary: Bool) -> focal_args {
        guard isOrdinary else { return self }
        var args = Arguments.constants
        args.threads = threads
        args.outer = outer
        args.classes = classes
        args.inner = inner
        args.scores = scores
        args.score_dtype = score_dtype
        args.targets = targets
        args.target_dtype = target_dtype
        args.target_kind = target_kind
        args.background_label = background_label
        args.gamma = gamma
        args.alpha = alpha
        args.reduction = reduction
        args.pos_weight = pos_weight
        args.neg_weight = neg_weight
        args.hessian = hessian
        args.loss = loss
        args.reduced_loss = reduced_loss
        args.grad = grad
        args.hess = hess
        args.shard_max = shard_max
        args.shard_sum = shard_sum
        args.shard_target = shard_target
        return args
    }

    @_transparent private func bits(_ pointer: UnsafeRawPointer?) -> UInt { UInt(bitPattern: pointer) }
}
