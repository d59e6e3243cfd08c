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

    @inline(never) static func defaults() -> focal_args {
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
