import CKernels

/// The first stage: targets of whatever kind become one number an element, its weight with the sign of its target; ignored
/// elements get weight 0 and score 0, and `live` remembers them.
struct SignedWeights<V: Lanes>: TargetWork {
    let plan: Plan
    let start: Int
    let count: Int
    let scratch: Scratch<V>

    func fill() {
        if plan.pointee.uniform == 0 { fillClassWeights() }
        plan.pointee.isLabels
            ? run(labels: plan.pointee.args.target_dtype) : run(dtype: plan.pointee.args.target_dtype)
        if plan.pointee.args.weights != nil { multiplyWeights() }
        if plan.pointee.ignores { applyLive() }
        if plan.pointee.weightless != 0 { boundWeightless() }
        pad()
    }

    func run<T: Target>(_: T.Type) {
        if plan.pointee.ignores { findIgnored(T.self) }
        if plan.pointee.isLabels { labels(T.self) } else { dense(T.self) }
    }

    @inline(__always) private func dense<T: Target>(_: T.Type) {
        let targets = plan.pointee.args.targets.unsafelyUnwrapped + start &* T.size
        let weights = scratch.weights
        if plan.pointee.uniform != 0 {
            let positive = V.Scalar(plan.pointee.pos), negative = -V.Scalar(plan.pointee.neg)
            for i in 0..<count { weights[i] = T.isOne(T.at(targets, i)) ? positive : negative }
        } else {
            let (positive, negative) = (scratch.positive, scratch.negative)
            for i in 0..<count { weights[i] = T.isOne(T.at(targets, i)) ? positive[i] : -negative[i] }
        }
    }

    @inline(__always) private func labels<T: Target>(_: T.Type) {
        let targets = plan.pointee.args.targets.unsafelyUnwrapped
        let background = plan.pointee.args.background_label
        let weights = scratch.weights
        if plan.pointee.uniform != 0 {
            let positive = V.Scalar(plan.pointee.pos), negative = -V.Scalar(plan.pointee.neg)
            plan.pointee.forEachRun(start, count) { run in
                let weights = weights + run.offset
                if run.isRow {
                    let label = T.label(T.at(targets, run.sample)), target = label &- Int64(run.klass)
                    for i in 0..<run.length { weights[i] = negative }
                    if target >= 0 && target < Int64(run.length) && label != background { weights[Int(target)] = positive }
                } else {
                    let first = targets + run.sample &* T.size
                    // No label is the class that is background.
                    let klass = Int64(run.klass), own = klass == background ? negative : positive
                    for i in 0..<run.length { weights[i] = T.label(T.at(first, i)) == klass ? own : negative }
                }
            }
        } else {
            let (positive, negative) = (scratch.positive, scratch.negative)
            plan.pointee.forEachRun(start, count) { run in
                for i in 0..<run.length {
                    let sample = run.isRow ? run.sample : run.sample &+ i
                    let klass = run.isRow ? run.klass &+ i : run.klass
                    let j = run.offset &+ i
                    let label = T.label(T.at(targets, sample))
                    weights[j] = plan.pointee.isPositive(klass, label) ? positive[j] : -negative[j]
                }
            }
        }
    }

    private func fillClassWeights() {
        plan.pointee.forEachRun(start, count) { run in
            for i in 0..<run.length {
                let (positive, negative) = plan.pointee.elementWeights(run.isRow ? run.klass &+ i : run.klass)
                scratch.positive[run.offset &+ i] = V.Scalar(positive)
                scratch.negative[run.offset &+ i] = V.Scalar(negative)
            }
        }
    }

    private func multiplyWeights() {
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

    @inline(__always) private func findIgnored<T: Target>(_: T.Type) {
        let args = plan.pointee.args
        let targets = args.targets.unsafelyUnwrapped
        let ignored = args.ignore_index
        let live = scratch.live
        if plan.pointee.isLabels {
            plan.pointee.forEachRun(start, count) { run in
                for i in 0..<run.length {
                    let sample = run.isRow ? run.sample : run.sample &+ i
                    let masked = args.ignore_mask.map { $0[sample] != 0 } ?? false
                    live[run.offset &+ i] = masked || T.label(T.at(targets, sample)) == ignored ? 0 : 1
                }
            }
        } else {
            let value = Double(ignored)
            for i in 0..<count {
                let masked = args.ignore_mask.map { $0[start &+ i] != 0 } ?? false
                let matches = ignored != focal_label_none && T.value(T.at(targets, start &+ i)) == value
                live[i] = masked || matches ? 0 : 1
            }
        }
    }

    private func applyLive() {
        for i in 0..<count where scratch.live[i] == 0 {
            scratch.weights[i] = 0
            scratch.scores[i] = 0
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
