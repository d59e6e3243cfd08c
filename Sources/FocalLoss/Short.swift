import CFocalLoss
import CKernels

/// The short functions, for either type of scores: each fills in what its arguments name and leaves the rest at the defaults.
enum Short {
    // MARK: - Independent scores

    static func sigmoidLoss<S: Score>(
        _ z: In<S>, _ y: In<S>, _ n: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32, _ loss: Out<S>, _ grad: Out<S>
    ) -> Int32 {
        Short.loss(.sigmoid, reduction, loss, grad) { $0.binary(z, y, n, alpha: alpha, gamma: gamma) }
    }

    static func sigmoidGradHess<S: Score>(
        _ z: In<S>, _ y: In<S>, _ n: Int, _ alpha: Double, _ gamma: Double, _ hessian: Int32, _ grad: Out<S>, _ hess: Out<S>
    ) -> Int32 {
        gradHess(.sigmoid, hessian, grad, hess) { $0.binary(z, y, n, alpha: alpha, gamma: gamma) }
    }

    static func sigmoidLabelLoss<S: Score>(
        _ z: In<S>, _ labels: In<Int32>, _ n: Int, _ classes: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32,
        _ loss: Out<S>, _ grad: Out<S>
    ) -> Int32 {
        Short.loss(.sigmoid, reduction, loss, grad) { args in
            args.labelled(z, labels, n, classes, gamma: gamma)
            args.alpha = alpha
            args.background_label = Int64(classes)
        }
    }

    static func weightedBCE<S: Score>(
        _ z: In<S>, _ y: In<S>, _ n: Int, _ pos_weight: Double, _ neg_weight: Double, _ reduction: Int32, _ loss: Out<S>,
        _ grad: Out<S>
    ) -> Int32 {
        Short.loss(.sigmoid, reduction, loss, grad) { args in
            args.binary(z, y, n, alpha: FOCAL_ALPHA_OFF, gamma: 0)
            args.pos_weight = pos_weight
            args.neg_weight = neg_weight
        }
    }

    // MARK: - Classes that exclude each other

    static func softmaxLoss<S: Score>(
        _ z: In<S>, _ labels: In<Int32>, _ n: Int, _ classes: Int, _ alphas: In<Double>, _ gamma: Double, _ reduction: Int32,
        _ loss: Out<S>, _ grad: Out<S>
    ) -> Int32 {
        Short.loss(.softmax, reduction, loss, grad) { args in
            args.labelled(z, labels, n, classes, gamma: gamma)
            args.alphas = alphas
        }
    }

    static func softmaxGradHess<S: Score>(
        _ z: In<S>, _ labels: In<Int32>, _ n: Int, _ classes: Int, _ alphas: In<Double>, _ gamma: Double, _ hessian: Int32,
        _ grad: Out<S>, _ hess: Out<S>
    ) -> Int32 {
        gradHess(.softmax, hessian, grad, hess) { args in
            args.labelled(z, labels, n, classes, gamma: gamma)
            args.alphas = alphas
        }
    }

    // MARK: - Outputs

    /// loss takes all values for NONE and the reduced one otherwise.
    @inline(__always) private static func loss<S: Score>(
        _ family: Check.Family, _ reduction: Int32, _ loss: Out<S>, _ grad: Out<S>, _ fill: (inout focal_args) -> Void
    ) -> Int32 {
        Call.prepare { plan in
            plan.pointee.args = Arguments.defaults()
            fill(&plan.pointee.args)
            plan.pointee.args.reduction = reduction
            plan.pointee.args.grad = UnsafeMutableRawPointer(grad)
            if reduction == FOCAL_REDUCTION_NONE {
                plan.pointee.args.loss = UnsafeMutableRawPointer(loss)
                return Call.run(plan, family)
            }
            var value = 0.0
            return withUnsafeMutablePointer(to: &value) { value in
                if loss != nil { plan.pointee.args.reduced_loss = value }
                let status = Call.run(plan, family)
                // The rounding to the caller's type is part of the call, so it happens in the call's environment.
                if status == FOCAL_OK { loss?.pointee = S(value.pointee) }
                return status
            }
        }
    }

    @inline(__always) private static func gradHess<S: Score>(
        _ family: Check.Family, _ hessian: Int32, _ grad: Out<S>, _ hess: Out<S>, _ fill: (inout focal_args) -> Void
    ) -> Int32 {
        Call.prepare { plan in
            plan.pointee.args = Arguments.defaults()
            fill(&plan.pointee.args)
            plan.pointee.args.hessian = hessian
            plan.pointee.args.grad = UnsafeMutableRawPointer(grad)
            plan.pointee.args.hess = UnsafeMutableRawPointer(hess)
            return Call.run(plan, family)
        }
    }
}

/// A type of scores that has short functions.
protocol Score {
    static var dtype: Int32 { get }
    init(_ value: Double)
}

extension Float: Score {
    static var dtype: Int32 { FOCAL_DTYPE_F32 }
}

extension Double: Score {
    static var dtype: Int32 { FOCAL_DTYPE_F64 }
}

extension focal_args {
    /// Sizes come as size_t; one beyond Int64 arrives here as a negative.
    @inline(__always) fileprivate mutating func binary<S: Score>(
        _ z: In<S>, _ y: In<S>, _ n: Int, alpha: Double, gamma: Double
    ) {
        outer = 1
        inner = Int64(n)
        scores = UnsafeRawPointer(z)
        score_dtype = S.dtype
        targets = UnsafeRawPointer(y)
        target_dtype = S.dtype
        self.alpha = alpha
        self.gamma = gamma
    }

    @inline(__always) fileprivate mutating func labelled<S: Score>(
        _ z: In<S>, _ labels: In<Int32>, _ n: Int, _ classes: Int, gamma: Double
    ) {
        outer = Int64(n)
        self.classes = Int64(classes)
        scores = UnsafeRawPointer(z)
        score_dtype = S.dtype
        targets = UnsafeRawPointer(labels)
        target_dtype = FOCAL_DTYPE_I32
        target_kind = FOCAL_TARGETS_LABELS
        self.gamma = gamma
    }
}
