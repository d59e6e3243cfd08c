import CFocalLoss
import CKernels
import CSystem

/// The short functions: descriptors filled from a few arguments.
enum Short {
    /// Sizes come as size_t; one beyond Int64 arrives here as a negative.
    static func sigmoid(
        _ dtype: Int32, _ logits: UnsafeRawPointer?, _ targets: UnsafeRawPointer?, _ n: Int, alpha: Double, gamma: Double
    ) -> focal_args {
        var args = Arguments.defaults()
        args.outer = 1
        args.inner = Int64(n)
        args.scores = logits
        args.score_dtype = dtype
        args.targets = targets
        args.target_dtype = dtype
        args.alpha = alpha
        args.gamma = gamma
        return args
    }

    static func labels(
        _ dtype: Int32, _ logits: UnsafeRawPointer?, _ labels: UnsafePointer<Int32>?, _ n: Int, _ classes: Int, gamma: Double
    ) -> focal_args {
        var args = Arguments.defaults()
        args.outer = Int64(n)
        args.classes = Int64(classes)
        args.scores = logits
        args.score_dtype = dtype
        args.targets = UnsafeRawPointer(labels)
        args.target_dtype = FOCAL_DTYPE_I32
        args.target_kind = FOCAL_TARGETS_LABELS
        args.gamma = gamma
        return args
    }

    /// loss takes all values for NONE and the reduced one otherwise.
    static func loss<Scalar: BinaryFloatingPoint>(
        _ given: focal_args, _ family: Check.Family, _ reduction: Int32, _ loss: UnsafeMutablePointer<Scalar>?,
        _ grad: UnsafeMutablePointer<Scalar>?
    ) -> Int32 {
        var args = given
        args.reduction = reduction
        args.grad = UnsafeMutableRawPointer(grad)
        guard reduction != FOCAL_REDUCTION_NONE, let loss else {
            args.loss = UnsafeMutableRawPointer(loss)
            return call(args, family)
        }
        return reduced(args, family, loss)
    }

    private static func reduced<Scalar: BinaryFloatingPoint>(
        _ given: focal_args, _ family: Check.Family, _ loss: UnsafeMutablePointer<Scalar>
    ) -> Int32 {
        var args = given, value = 0.0
        // The rounding to the caller's type is part of the call, so it happens in the call's floating-point environment.
        let saved = focal_fp_enter()
        defer { focal_fp_leave(saved) }
        return withUnsafeMutablePointer(to: &value) { value in
            args.reduced_loss = value
            let status = call(args, family)
            if status == FOCAL_OK { loss.pointee = Scalar(value.pointee) }
            return status
        }
    }

    static func gradHess<Scalar>(
        _ given: focal_args, _ family: Check.Family, _ hessian: Int32, _ grad: UnsafeMutablePointer<Scalar>?,
        _ hess: UnsafeMutablePointer<Scalar>?
    ) -> Int32 {
        var args = given
        args.hessian = hessian
        args.grad = UnsafeMutableRawPointer(grad)
        args.hess = UnsafeMutableRawPointer(hess)
        return call(args, family)
    }

    private static func call(_ args: focal_args, _ family: Check.Family) -> Int32 {
        withUnsafePointer(to: args) { Call.run($0, family) }
    }
}
