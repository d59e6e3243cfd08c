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

    /// In place: a copy would wait until all of the original has left the store buffer.
    @inline(never) static func setDefaults(_ args: UnsafeMutablePointer<focal_args>) { args.pointee = defaults() }

    @_transparent fileprivate static func defaults() -> focal_args {
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
    /// Whether all fields but those of `take` have their defaults.
    var isOrdinary: Bool {
        let options = input | target_check | soft_rule | smoothing_rule | weight_layout | divisor | accumulate | out_dtype
        let numbers = clip.bitPattern | label_smoothing.bitPattern | UInt64(bitPattern: shard_total)
        let arrays =
            bits(ignore_mask) | bits(gammas) | bits(alphas) | bits(weights) | bits(class_weights) | bits(pos_weights)
            | bits(upstream) | bits(hess_full) | bits(probabilities) | bits(log_sum_exp)
        return options == 0 && numbers | UInt64(arrays) == 0 && weight_dtype == FOCAL_DTYPE_F32
            && ignore_index == focal_label_none && pos_weight == 1 && neg_weight == 1 && grad_scale == 1 && hessian_scale == 1
            && hessian_floor == FOCAL_FLOOR_OFF
    }

    /// The arguments, of which all but the fields of `take` are constants in an ordinary call: what is asked of the others need
    /// not be compiled.
    @_transparent func known(_ isOrdinary: Bool) -> focal_args {
        guard isOrdinary else { return self }
        var args = Arguments.defaults()
        args.take(self)
        return args
    }

    /// Takes over the fields that an ordinary call may name.
    @_transparent mutating func take(_ args: focal_args) {
        threads = args.threads
        outer = args.outer
        classes = args.classes
        inner = args.inner
        scores = args.scores
        score_dtype = args.score_dtype
        targets = args.targets
        target_dtype = args.target_dtype
        target_kind = args.target_kind
        background_label = args.background_label
        gamma = args.gamma
        alpha = args.alpha
        reduction = args.reduction
        hessian = args.hessian
        loss = args.loss
        reduced_loss = args.reduced_loss
        grad = args.grad
        hess = args.hess
        shard_max = args.shard_max
        shard_sum = args.shard_sum
        shard_target = args.shard_target
        parallel_for = args.parallel_for
        parallel_context = args.parallel_context
    }

    @_transparent private func bits(_ pointer: UnsafeRawPointer?) -> UInt { UInt(bitPattern: pointer) }
}
