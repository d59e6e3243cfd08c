import CKernels

/// The three outputs that have the scores' shape, each one formula of a class's exponential.
enum SoftmaxOutput {
    case grad, hess, probabilities

    /// The target's own value, a column of the samples.
    @inline(__always) func target(_ samples: Samples) -> UnsafeMutablePointer<Double> {
        switch self {
        case .grad: samples.gradTarget
        case .hess: samples.hessTarget
        case .probabilities: samples.probabilityTarget
        }
    }

    /// What a class's exponential is multiplied by, a column of the samples; nil where the formula is longer.
    @inline(__always) func factor(_ samples: Samples) -> UnsafeMutablePointer<Double>? {
        switch self {
        case .grad: samples.gradScaled
        case .hess: nil
        case .probabilities: samples.probabilityScaled
        }
    }

    /// Ignored samples have derivatives of 0 and still have probabilities.
    @inline(__always) var isSilenced: Bool { self != .probabilities }

    func pointer(_ args: focal_args) -> UnsafeMutableRawPointer? {
        switch self {
        case .grad: args.grad
        case .hess: args.hess
        case .probabilities: args.probabilities
        }
    }
}

/// Puts values into the caller's arrays: adds where asked, rounds to its type.
struct SoftmaxWriter<V: Lanes> {
    let plan: Plan
    let scratch: SoftmaxScratch<V>

    /// Whether the caller's array already holds a part of the output.
    @inline(__always) func adds(_ output: SoftmaxOutput) -> Bool { output == .grad && plan.pointee.args.accumulate != 0 }

    @inline(never) func put(_ values: UnsafeMutablePointer<V.Scalar>, _ count: Int, _ output: SoftmaxOutput, at element: Int) {
        let dtype = plan.pointee.outDtype
        let target = output.pointer(plan.pointee.args).unsafelyUnwrapped + element &* size(of: dtype)
        if adds(output) {
            var first = 0
            while first < count {
                add(
                    UnsafeRawPointer(target) + first &* size(of: dtype), min(SoftmaxScratch<V>.capacity, count &- first),
                    to: values + first)
                first &+= SoftmaxScratch<V>.capacity
            }
        }
        V.write(values, count, dtype, to: target)
    }

    private func add(_ old: UnsafeRawPointer, _ count: Int, to values: UnsafeMutablePointer<V.Scalar>) {
        V.read(plan.pointee.outDtype, old, count, into: scratch.old)
        var i = 0
        while i < count {
            (V(loading: values + i) + V(loading: scratch.old + i)).store(to: values + i)
            i &+= V.count
        }
    }
}
