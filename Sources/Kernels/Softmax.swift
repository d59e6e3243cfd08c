import CKernels

/// The multiclass family: which way a range of samples goes.
enum Softmax<V: Lanes> {
    static func run(_ plan: Plan, _ begin: Int, _ end: Int, _ memory: UnsafeMutableRawPointer) -> Double {
        let args = plan.pointee.args
        // Before the gradient may overwrite the scores.
        if args.hess_full != nil { SoftmaxHessian.run(plan, begin, end, memory) }
        if !plan.pointee.isLabels || args.label_smoothing > 0 { return SoftmaxCareful.run(plan, begin, end) }
        return args.inner == 1 && args.classes > SoftmaxRows<V>.shortest
            ? SoftmaxRows<V>.run(plan, begin, end, memory) : SoftmaxColumns<V>.run(plan, begin, end, memory)
    }
}
