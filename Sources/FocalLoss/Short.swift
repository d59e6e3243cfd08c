import CFocalLoss
import CKernels

/// The short functions, for scores of either type: each fills in what its arguments name and leaves the rest at the defaults.
enum Short {
    typealias Scores = UnsafeRawPointer?
    typealias Targets = UnsafeRawPointer?
    typealias Labels = UnsafePointer<Int32>?
    typealias Output = UnsafeMutableRawPointer?

    // MARK: - Independent scores

    @inline(never) static func sigmoidLoss(
        _ z: Scores, _ y: Targets, _ n: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32, _ loss: Output, _ grad: Output,
        _ dtype: Int32
    ) -> Int32 {
        Short.loss(.sigmoid, reduction, loss, grad, dtype, isOrdinary: true) {
            $0.binary(z, y, n, alpha: alpha, gamma: gamma, dtype)
        }
    }

    @inline(never) static func sigmoidGradHess(
        _ z: Scores, _ y: Targets, _ n: Int, _ alpha: Double, _ gamma: Double, _ hessian: Int32, _ grad: Output, _ hess: Output,
        _ dtype: Int32
    ) -> Int32 {
        gradHess(.sigmoid, hessian, grad, hess, isOrdinary: true) { $0.binary(z, y, n, alpha: alpha, gamma: gamma, dtype) }
    }

    @inline(never) static func sigmoidLabelLoss(
        _ z: Scores, _ labels: Labels, _ n: Int, _ classes: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32,
        _ loss: Output, _ grad: Output, _ dtype: Int32
    ) -> Int32 {
        Short.loss(.sigmoid, reduction, loss, grad, dtype, isOrdinary: true) { args in
            args.labelled(z, labels, n, classes, gamma: gamma, dtype)
            args.alpha = alpha
            args.background_label = Int64(classes)
        }
    }

    @inline(never) static func weightedBCE(
        _ z: Scores, _ y: Targets, _ n: Int, _ pos_weight: Double, _ neg_weight: Double, _ reduction: Int32, _ loss: Output,
        _ grad: Output, _ dtype: Int32
    ) -> Int32 {
        Short.loss(.sigmoid, reduction, loss, grad, dtype) { args in
            args.binary(z, y, n, alpha: FOCAL_ALPHA_OFF, gamma: 0, dtype)
            args.pos_weight = pos_weight
            args.neg_weight = neg_weight
        }
    }

    // MARK: - Classes that exclude each other

    @inline(never) static func softmaxLoss(
        _ z: Scores, _ labels: Labels, _ n: Int, _ classes: Int, _ alphas: In<Double>, _ gamma: Double, _ reduction: Int32,
        _ loss: Output, _ grad: Output, _ dtype: Int32
    ) -> Int32 {
        Short.loss(.softmax, reduction, loss, grad, dtype) { args in
            args.labelled(z, labels, n, classes, gamma: gamma, dtype)
            args.alphas = alphas
        }
    }

    @inline(never) static func softmaxGradHess(
        _ z: Scores, _ labels: Labels, _ n: Int, _ classes: Int, _ alphas: In<Double>, _ gamma: Double, _ hessian: Int32,
        _ grad: Output, _ hess: Output, _ dtype: Int32
    ) -> Int32 {
        gradHess(.softmax, hessian, grad, hess) { args in
            args.labelled(z, labels, n, classes, gamma: gamma, dtype)
            args.alphas = alphas
        }
    }

    // MARK: - Outputs

    /// loss takes all values for NONE and the reduced one otherwise.  isOrdinary: what the arguments name is always so.
    @inline(__always) private static func loss(
        _ family: Check.Family, _ reduction: Int32, _ loss: Output, _ grad: Output, _ dtype: Int32, isOrdinary: Bool = false,
        _ fill: (inout focal_args) -> Void
    ) -> Int32 {
        Call.prepare { plan in
            Arguments.setDefaults(&plan.pointee.args)
            fill(&plan.pointee.args)
            plan.pointee.args.reduction = reduction
            plan.pointee.args.grad = grad
            if reduction == FOCAL_REDUCTION_NONE {
                plan.pointee.args.loss = loss
                return isOrdinary ? Call.runOrdinary(plan, family) : Call.run(plan, family)
            }
            var value = 0.0
            return withUnsafeMutablePointer(to: &value) { value in
                if loss != nil { plan.pointee.args.reduced_loss = value }
                let status = isOrdinary ? Call.runOrdinary(plan, family) : Call.run(plan, family)
                // The rounding to the caller's type is part of the call, so it happens in the call's environment.
                if let loss, status == FOCAL_OK {
                    if dtype == FOCAL_DTYPE_F64 {
                        loss.storeBytes(of: value.pointee, as: Double.self)
                    } else {
                        loss.storeBytes(of: Float(value.pointee), as: Float.self)
                    }
                }
                return status
            }
        }
    }

    @inline(__always) private static func gradHess(
        _ family: Check.Family, _ hessian: Int32, _ grad: Output, _ hess: Output, isOrdinary: Bool = false,
        _ fill: (inout focal_args) -> Void
    ) -> Int32 {
        Call.prepare { plan in
            Arguments.setDefaults(&plan.pointee.args)
            fill(&plan.pointee.args)
            plan.pointee.args.hessian = hessian
            plan.pointee.args.grad = grad
            plan.pointee.args.hess = hess
            return isOrdinary ? Call.runOrdinary(plan, family) : Call.run(plan, family)
        }
    }
}

extension focal_args {
    /// Sizes come as size_t; one beyond Int64 arrives here as a negative.
    @inline(__always) fileprivate mutating func binary(
        _ z: Short.Scores, _ y: Short.Targets, _ n: Int, alpha: Double, gamma: Double, _ dtype: Int32
    ) {
        outer = 1
        inner = Int64(n)
        scores = z
        score_dtype = dtype
        targets = y
        target_dtype = dtype
        self.alpha = alpha
        self.gamma = gamma
    }

    @inline(__always) fileprivate mutating func labelled(
        _ z: Short.Scores, _ labels: Short.Labels, _ n: Int, _ classes: Int, gamma: Double, _ dtype: Int32
    ) {
        outer = Int64(n)
        self.classes = Int64(classes)
        scores = z
        score_dtype = dtype
        targets = UnsafeRawPointer(labels)
        target_dtype = FOCAL_DTYPE_I32
        target_kind = FOCAL_TARGETS_LABELS
        self.gamma = gamma
    }
}
