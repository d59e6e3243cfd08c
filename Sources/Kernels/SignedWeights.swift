import CKernels

/// The first stage: targets of whatever kind become one number an element, its weight with the sign of its target; ignored
/// elements get weight 0 and score 0, and `live` remembers them.
struct SignedWeights<V: Lanes> {
    let plan: Plan
    let start: Int
    let count: Int
    let scratch: Scratch<V>

    func fill() {
        fillSigns()
        if plan.pointee.uniform == 0 { applyClassWeights() }
        if plan.pointee.args.weights != nil { applyWeights() }
        if plan.pointee.ignores { applyLive() }
        if plan.pointee.weightless != 0 { boundWeightless() }
        // Whole vectors: what stands past the end weighs nothing.
        V.pad(scratch.weights, count)
    }

    /// One of two numbers for each element: the weights themselves where no class or element differs from another.
    @inline(__always) func fillSigns() {
        let isUniform = plan.pointee.uniform != 0
        let signs = Signs<V>(
            plan: plan, start: start, count: count, weights: scratch.weights,
            positive: V.Scalar(isUniform ? plan.pointee.pos : 1), negative: -V.Scalar(isUniform ? plan.pointee.neg : 1))
        plan.pointee.isLabels ? signs.runLabels() : signs.run(dtype: plan.pointee.args.target_dtype)
    }

    /// Signs of 1 become the weights of their classes.
    private func applyClassWeights() {
        plan.pointee.forEachRun(start, count) { run in
            for i in 0..<run.length {
                let sides = focal_element_weights(plan, Int64(run.isRow ? run.klass &+ i : run.klass))
                let j = run.offset &+ i
                scratch.weights[j] = scratch.weights[j] > 0 ? V.Scalar(sides.positive) : -V.Scalar(sides.negative)
            }
        }
    }

    private func applyWeights() {
        let args = plan.pointee.args
        if args.weight_layout == FOCAL_WEIGHTS_ELEMENT || args.classes == 1 {
            readWeights(start, count, into: scratch.e)
        } else {
            plan.pointee.forEachRun(start, count) { run in
                if run.isRow {
                    V.fill(scratch.e + run.offset, run.length, with: V.Scalar(plan.pointee.weight(run.sample)))
                } else {
                    readWeights(run.sample, run.length, into: scratch.e + run.offset)
                }
            }
        }
        scratch.forEachVector(count) { i in
            (V(loading: scratch.weights + i) * V(loading: scratch.e + i)).store(to: scratch.weights + i)
        }
    }

    private func readWeights(_ first: Int, _ count: Int, into array: UnsafeMutablePointer<V.Scalar>) {
        let args = plan.pointee.args, dtype = args.weight_dtype == FOCAL_DTYPE_F64 ? FOCAL_DTYPE_F64 : FOCAL_DTYPE_F32
        V.read(dtype, args.weights.unsafelyUnwrapped + first &* size(of: dtype), count, into: array)
    }

    private func applyLive() {
        let targets = TargetReader(plan)
        let args = plan.pointee.args
        func set(_ i: Int, _ unit: Int, _ matches: Bool) {
            let isIgnored = matches || plan.pointee.isMasked(unit)
            scratch.live[i] = isIgnored ? 0 : 1
            if isIgnored {
                scratch.weights[i] = 0
                scratch.scores[i] = 0
            }
        }
        if plan.pointee.isLabels {
            plan.pointee.forEachRun(start, count) { run in
                for i in 0..<run.length {
                    let sample = run.isRow ? run.sample : run.sample &+ i
                    set(run.offset &+ i, sample, targets.label(sample) == args.ignore_index)
                }
            }
        } else {
            let hasValue = args.ignore_index != focal_label_none
            for i in 0..<count { set(i, start &+ i, hasValue && targets.value(start &+ i) == Double(args.ignore_index)) }
        }
    }

    /// A weight of 0 silences an infinite loss: 0 times infinity would be NaN.
    private func boundWeightless() {
        for i in 0..<count where scratch.weights[i] == 0 && scratch.scores[i].isInfinite { scratch.scores[i] = 0 }
    }
}

/// One of two numbers for each element, by its target.
struct Signs<V: Lanes>: TargetWork {
    let plan: Plan
    let start: Int
    let count: Int
    let weights: UnsafeMutablePointer<V.Scalar>
    let positive: V.Scalar
    let negative: V.Scalar

    /// Dense targets.
    func run<T: Target>(_: T.Type) {
        mark(T.self, plan.pointee.args.targets.unsafelyUnwrapped + start &* T.size, 1, 0, count, positive)
    }

    /// Elements [first, first + length) whose target is `value` get `own`, the others `negative`.
    @inline(never) func mark<T: Target>(
        _: T.Type, _ targets: UnsafeRawPointer, _ value: Int64, _ first: Int, _ length: Int, _ own: V.Scalar
    ) {
        let weights = weights + first, own = T.holds(value) ? own : negative
        var i = 0
        while i &+ V.count <= length {
            focal_prefetch(targets + (length &+ i) &* T.size)  // the next block's, as in the term
            V.select(V.match(T.dtype, targets + i &* T.size, value), V(own), V(negative)).store(to: weights + i)
            i &+= V.count
        }
        while i < length {
            weights[i] = T.isEqual(T.at(targets, i), value) ? own : negative
            i &+= 1
        }
    }
}

extension Signs {
    /// The same from one label a sample: a row is negative but for one place, a plane is compared with its class.
    func runLabels() {
        let labels = TargetReader(plan)
        let background = plan.pointee.args.background_label
        if plan.pointee.args.inner == 1 { V.fill(weights, count, with: negative) }
        plan.pointee.forEachRun(start, count) { run in
            if run.isRow {
                let label = labels.label(run.sample), target = label &- Int64(run.klass)
                if target >= 0 && target < Int64(run.length) && label != background {
                    weights[run.offset &+ Int(target)] = positive
                }
            } else {
                // No label is the class that is background.
                let own = Int64(run.klass) == background ? negative : positive
                PlaneSigns(signs: self, run: run, own: own).run(labels: plan.pointee.args.target_dtype)
            }
        }
    }
}

private struct PlaneSigns<V: Lanes>: TargetWork {
    let signs: Signs<V>
    let run: Run
    let own: V.Scalar

    func run<T: Target>(_: T.Type) {
        let labels = signs.plan.pointee.args.targets.unsafelyUnwrapped + run.sample &* T.size
        signs.mark(T.self, labels, Int64(run.klass), run.offset, run.length, own)
    }
}
