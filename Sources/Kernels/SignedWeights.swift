import CKernels

/// The first stage: targets of whatever kind become one number an element, its weight with the sign of its target; ignored
/// elements get weight 0 and score 0, and `live` remembers them.
struct SignedWeights<V: Lanes> {
    let plan: Plan
    let start: Int
    let count: Int
    let scratch: Scratch<V>

    func fill() {
        let isUniform = plan.pointee.uniform != 0
        let signs = Signs<V>(
            plan: plan, start: start, count: count, weights: scratch.weights,
            positive: V.Scalar(isUniform ? plan.pointee.pos : 1), negative: -V.Scalar(isUniform ? plan.pointee.neg : 1))
        plan.pointee.isLabels
            ? LabelSigns(signs: signs).run(labels: plan.pointee.args.target_dtype)
            : signs.run(dtype: plan.pointee.args.target_dtype)
        if !isUniform { applyClassWeights() }
        if plan.pointee.args.weights != nil { applyWeights() }
        if plan.pointee.ignores { applyLive() }
        if plan.pointee.weightless != 0 { boundWeightless() }
        pad()
    }

    /// Signs of 1 become the weights of their classes.
    private func applyClassWeights() {
        plan.pointee.forEachRun(start, count) { run in
            for i in 0..<run.length {
                let (positive, negative) = plan.pointee.elementWeights(run.isRow ? run.klass &+ i : run.klass)
                let j = run.offset &+ i
                scratch.weights[j] = scratch.weights[j] > 0 ? V.Scalar(positive) : -V.Scalar(negative)
            }
        }
    }

    private func applyWeights() {
        let weights = scratch.weights
        if plan.pointee.args.weight_layout == FOCAL_WEIGHTS_ELEMENT || plan.pointee.args.classes == 1 {
            for i in 0..<count { weights[i] *= V.Scalar(plan.pointee.weight(start &+ i)) }
        } else {
            plan.pointee.forEachRun(start, count) { run in
                for i in 0..<run.length {
                    weights[run.offset &+ i] *= V.Scalar(plan.pointee.weight(run.isRow ? run.sample : run.sample &+ i))
                }
            }
        }
    }

    private func applyLive() {
        let targets = TargetReader(plan)
        let args = plan.pointee.args
        func set(_ i: Int, _ unit: Int, _ matches: Bool) {
            let isMasked = args.ignore_mask.map { $0[unit] != 0 } ?? false
            scratch.live[i] = isMasked || matches ? 0 : 1
            if isMasked || matches {
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

    /// Whole vectors: what stands past the end weighs nothing.
    private func pad() {
        var i = count
        while i & (V.count &- 1) != 0 {
            scratch.weights[i] = 0
            i &+= 1
        }
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
        let targets = plan.pointee.args.targets.unsafelyUnwrapped + start &* T.size
        for i in 0..<count { weights[i] = T.isOne(T.at(targets, i)) ? positive : negative }
    }
}

/// The same from one label a sample: a row is negative but for one place, a plane is compared with its class.
private struct LabelSigns<V: Lanes>: TargetWork {
    let signs: Signs<V>

    func run<T: Target>(_: T.Type) {
        let plan = signs.plan
        let targets = plan.pointee.args.targets.unsafelyUnwrapped
        let background = plan.pointee.args.background_label
        let (positive, negative) = (signs.positive, signs.negative)
        plan.pointee.forEachRun(signs.start, signs.count) { run in
            let weights = signs.weights + run.offset
            if run.isRow {
                let label = T.label(T.at(targets, run.sample)), target = label &- Int64(run.klass)
                for i in 0..<run.length { weights[i] = negative }
                if target >= 0 && target < Int64(run.length) && label != background { weights[Int(target)] = positive }
            } else {
                // No label is the class that is background.
                let first = targets + run.sample &* T.size
                let klass = Int64(run.klass), own = klass == background ? negative : positive
                for i in 0..<run.length { weights[i] = T.label(T.at(first, i)) == klass ? own : negative }
            }
        }
    }
}
