#if ISA_X86_64_V3
    import CKernels

    /// A call on no more elements than a register holds, as an online learner makes it: every stage in registers and none through
    /// the scratch, whose stores and loads take longer than the loss.  With the usual gamma alone; bit for bit what `Sigmoid` gives.
    struct SigmoidFew {
        private typealias V = Octets
        let plan: Plan
        let start: Int
        let count: Int
        let scratch: Scratch<Floats>

        static func serves(_ plan: Plan, _ count: Int) -> Bool {
            let args = plan.pointee.args
            return count <= V.count && args.gamma == 2 && args.hess == nil && args.score_dtype == FOCAL_DTYPE_F32
                && plan.pointee.outDtype == FOCAL_DTYPE_F32 && plan.pointee.direct != 0 && plan.pointee.soft == 0
        }

        /// Returns the sum of the losses.
        func run() -> Double {
            let args = plan.pointee.args
            SignedWeights(plan: plan, start: start, count: count, scratch: scratch).fillSigns()
            let signed = first(scratch.weights)
            let score = first(args.scores.unsafelyUnwrapped.assumingMemoryBound(to: Float.self) + start)
            let e = V.exp(minus: score.magnitude)
            let term = SigmoidVector(
                GammaTwo.self, score: score, signed: signed, e: e, reciprocal: V.one / (V.one + e.hi), gamma: Gamma(args.gamma))
            let sum = Reduction.total(quarters: focal_widen_octets((term.loss * V(0.25)).v))
            if let loss = args.loss { put(term.loss, loss) }
            if let grad = args.grad { put(term.slope * V(-plan.pointee.scale), grad) }
            return sum
        }

        private func first(_ array: UnsafePointer<Float>) -> V { V(Floats(loading: array, first: count).v.lowHalf) }
        private func whole(_ value: V) -> Floats { Floats(SIMD16(lowHalf: value.v, highHalf: SIMD8())) }

        @inline(never) private func put(_ value: V, _ output: UnsafeMutableRawPointer) {
            whole(value).store(to: output.assumingMemoryBound(to: Float.self) + start, first: count)
        }
    }
#endif
