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

/// What becomes of each class.
protocol ClassFormula {
    associatedtype V: Lanes
    func value(_ class: V) -> V
}

/// A score relative to a large one.
struct Shifted<V: Lanes>: ClassFormula {
    let reference: Reference<V>
    @inline(__always) func value(_ z: V) -> V { reference.shifted(z) }
}

/// Its exponential, from a score that is not large or no longer.
struct Near<V: Lanes>: ClassFormula {
    let reference: Reference<V>
    @inline(__always) func value(_ z: V) -> V { reference.near(z) }
}

/// A gradient or a probability, from an exponential.
struct Multiple<V: Lanes>: ClassFormula {
    let factor: V
    @inline(__always) func value(_ e: V) -> V { factor * e }
}

/// The Hessian's diagonal, from an exponential: of a vector of samples' numbers (or one sample's in every lane).
struct HessianFormula<V: Lanes>: ClassFormula {
    private let ratio, slope, bend, q, top, complement, probabilityTarget, scale, sign: V
    private let mode: Int32
    private let floor: V

    /// From the samples' doubles; `load` takes a column to lanes.
    @inline(__always) init(_ plan: Plan, _ samples: Samples, _ load: (UnsafeMutablePointer<Double>) -> V) {
        scale = load(samples.chunkScale)
        top = load(samples.top)
        complement = load(samples.complement)
        probabilityTarget = load(samples.probabilityTarget)
        ratio = load(samples.ratioScaled)
        slope = load(samples.slope)
        bend = load(samples.bend)
        q = load(samples.q)
        sign = V(plan.pointee.scale * plan.pointee.args.hessian_scale)
        mode = plan.pointee.args.hessian
        floor = V(plan.pointee.args.hessian_floor)
    }

    @inline(__always) func value(_ e: V) -> V { diagonal(e).atLeast(floor) }

    /// H_kk = a (f'' r^2 - f' r (1 - r)); Gauss-Newton: a |f'| r (1 - q r), where 1 - q r = p + q (1 - r).
    @inline(__always) private func diagonal(_ e: V) -> V {
        let r = ratio * e
        // Only the largest class's 1 - r could cancel.
        let rest = V.select(e * scale == top, complement, V.one - r)
        if mode == FOCAL_HESSIAN_GAUSS_NEWTON { return slope * r * q.times(rest, plus: probabilityTarget) }
        let exact = r * slope.times(rest, plus: bend * r)
        return mode == FOCAL_HESSIAN_ABSOLUTE ? exact.magnitude.flippingSign(where: sign) : exact
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
                    UnsafeRawPointer(target) + first &* size(of: dtype), min(SoftmaxScratch<V>.room, count &- first),
                    to: values + first)
                first &+= SoftmaxScratch<V>.room
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
