import CKernels

/// The second and third stage: e = exp(-|z|) for a whole block, then everything that follows from it.  Two short loops over
/// the scratch rather than one long one: more of the short chains fit the reorder window.
struct SigmoidTerm<V: Arithmetic>: ModulatorWork {
    let plan: Plan
    let count: Int  // of the block, whole vectors
    let scores: UnsafePointer<V.Scalar>
    let scratch: Scratch<V>
    /// Where each output goes, or nil.
    let loss: UnsafeMutablePointer<V.Scalar>?
    let grad: UnsafeMutablePointer<V.Scalar>?
    let hess: UnsafeMutablePointer<V.Scalar>?

    /// From what crosses C (kernels.h).
    @inline(__always) static func run(
        _ plan: Plan?, _ count: Int64, _ scores: UnsafeRawPointer?, _ scratch: UnsafeMutableRawPointer?,
        _ loss: UnsafeMutableRawPointer?, _ grad: UnsafeMutableRawPointer?, _ hess: UnsafeMutableRawPointer?
    ) {
        SigmoidTerm(
            plan: plan.unsafelyUnwrapped, count: Int(count),
            scores: scores.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self),
            scratch: Scratch(scratch.unsafelyUnwrapped), loss: loss?.assumingMemoryBound(to: V.Scalar.self),
            grad: grad?.assumingMemoryBound(to: V.Scalar.self), hess: hess?.assumingMemoryBound(to: V.Scalar.self)
        ).run()
    }

    @inline(__always) func exponentials() {
        var i = 0
        while i < count {
            prefetch(scores, i)
            let score = V(loading: scores + i)
            var e = V.exp(minus: score.magnitude)
            if isSoftmax {
                e = Pair.sum(larger: e.hi, e.lo - e.hi * V(loading: scratch.eLow + i).flippingSign(where: score))
            }
            e.hi.store(to: scratch.e + i)
            e.lo.store(to: scratch.eLow + i)
            (V.one / (V.one + e.hi)).store(to: scratch.reciprocal + i)
            i &+= V.count
        }
    }

    func run() {
        exponentials()
        run(gamma: plan.pointee.args.gamma, everyClass: V.hasEveryModulator)
    }

    func run<M: Modulator>(_: M.Type) {
        let gamma = Gamma<V>(plan.pointee.args.gamma)
        let gradScale = V(isSoftmax ? -1 : -plan.pointee.scale)
        let hessScale = V(isSoftmax ? 1 : plan.pointee.scale * plan.pointee.args.hessian_scale)
        let mode = isSoftmax ? FOCAL_HESSIAN_EXACT : plan.pointee.args.hessian
        var i = 0
        while i < count {
            let signed = V(loading: scratch.weights + i)
            let e = Pair(V(loading: scratch.e + i), V(loading: scratch.eLow + i))
            let term = SigmoidVector(
                M.self, score: V(loading: scores + i), signed: signed, e: e, reciprocal: V(loading: scratch.reciprocal + i),
                gamma: gamma)
            if let grad { put(term.slope * gradScale, grad, i) }
            if let hess { put(term.curvature(mode) * hessScale, hess, i) }
            if let loss { put(term.loss, loss, i) }
            i &+= V.count
        }
    }

    /// For SoftmaxSingles: scores are margins, of which `eLow` has what they lost in rounding, and the caller scales.
    private var isSoftmax: Bool {
        #if ISA_X86_64 || ISA_X86_64_V4
            false
        #else
            MemoryLayout<V.Scalar>.size == 4 && plan.pointee.softmax != 0
        #endif
    }

    /// The same place of the next block: the hardware's prefetchers stop at every page.
    @inline(__always) private func prefetch(_ array: UnsafePointer<V.Scalar>, _ i: Int) { focal_prefetch(array + (count &+ i)) }

    @inline(__always) private func put(_ value: V, _ array: UnsafeMutablePointer<V.Scalar>, _ i: Int) {
        prefetch(array, i)
        value.store(to: array + i)
    }
}
