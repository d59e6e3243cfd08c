import CKernels

/// The last stage: what the caller wants done to gradient and Hessian, then the rounding to its type.
struct Outputs<V: Lanes> {
    let plan: Plan
    let scratch: Scratch<V>
    let start: Int
    let count: Int

    /// Writes the block's outputs from the scratch.
    @inline(never) func write() {
        let args = plan.pointee.args
        if let upstream = args.upstream, args.grad != nil { multiply(by: upstream) }
        if args.hess != nil && args.hessian_floor != FOCAL_FLOOR_OFF { raiseHessian() }
        if let loss = args.loss { store(scratch.loss, loss) }
        if let grad = args.grad {
            if args.accumulate != 0 { add(grad) }
            store(scratch.grad, grad)
        }
        if let hess = args.hess { store(scratch.hess, hess) }
    }

    /// Writes part of a vector where nothing is left to do and the caller's type is that of the lanes.
    func writeVector() {
        let args = plan.pointee.args
        if let loss = args.loss { storeVector(scratch.loss, loss) }
        if let grad = args.grad { storeVector(scratch.grad, grad) }
        if let hess = args.hess { storeVector(scratch.hess, hess) }
    }

    @inline(never) private func storeVector(_ array: UnsafeMutablePointer<V.Scalar>, _ output: UnsafeMutableRawPointer) {
        V(loading: array).store(to: output.assumingMemoryBound(to: V.Scalar.self) + start, first: count)
    }

    private func store(_ array: UnsafeMutablePointer<V.Scalar>, _ output: UnsafeMutableRawPointer) {
        let dtype = plan.pointee.outDtype
        V.write(array, count, dtype, to: output + start &* size(of: dtype))
    }

    /// The factors come in through `e`, which is free by now.
    private func multiply(by upstream: UnsafeRawPointer) {
        let dtype = plan.pointee.outDtype
        V.read(dtype, upstream + start &* size(of: dtype), count, into: scratch.e)
        scratch.forEachVector(count) { i in (V(loading: scratch.grad + i) * V(loading: scratch.e + i)).store(to: scratch.grad + i)
        }
    }

    private func add(_ grad: UnsafeMutableRawPointer) {
        let dtype = plan.pointee.outDtype
        V.read(dtype, UnsafeRawPointer(grad) + start &* size(of: dtype), count, into: scratch.e)
        scratch.forEachVector(count) { i in (V(loading: scratch.grad + i) + V(loading: scratch.e + i)).store(to: scratch.grad + i)
        }
    }

    private func raiseHessian() {
        let floor = V(plan.pointee.args.hessian_floor)
        let ignores = plan.pointee.ignores
        scratch.forEachVector(count) { i in
            let hess = V(loading: scratch.hess + i), raised = hess.atLeast(floor)
            (ignores ? V.select(V(loading: scratch.live + i) == V.zero, hess, raised) : raised).store(to: scratch.hess + i)
        }
    }
}
