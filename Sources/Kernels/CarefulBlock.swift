import CKernels

/// Brings a block's elements to `Careful`, a vector at a time, and its values back into the scratch.
struct CarefulBlock<V: Lanes> {
    let plan: Plan
    let scratch: Scratch<V>
    let start: Int
    let count: Int
    /// Leave hard targets as the term has made them.
    let onlySoft: Bool

    func run() {
        let targets = TargetReader(plan)
        var i = 0
        while i < count {
            let lanes = min(Doubles.count, count &- i)
            if !onlySoft || anySoft(targets, i, lanes) { vector(targets, i, lanes) }
            i &+= Doubles.count
        }
    }

    private func anySoft(_ targets: TargetReader, _ first: Int, _ lanes: Int) -> Bool {
        for lane in 0..<lanes where isSoft(targets.value(start &+ first &+ lane)) { return true }
        return false
    }

    private func isSoft(_ target: Double) -> Bool { target != 0 && target != 1 }

    private func vector(_ targets: TargetReader, _ first: Int, _ lanes: Int) {
        var scores = Doubles.Storage(repeating: 0.5), live = Doubles.Storage(repeating: 1)
        for lane in 0..<lanes {
            scores[lane] = Double(scratch.scores[first &+ lane])
            if plan.pointee.ignores { live[lane] = Double(scratch.live[first &+ lane]) }
        }
        let elements = CarefulElements(plan: plan, targets: targets, start: start &+ first, count: lanes)
        let (value, weight) = elements.value(scores, live)
        put(targets, value, weight, first, lanes)
    }

    private func put(
        _ targets: TargetReader, _ value: Careful.Value, _ weight: Doubles.Storage, _ first: Int, _ lanes: Int
    ) {
        let args = plan.pointee.args
        for lane in 0..<lanes {
            let i = first &+ lane
            if onlySoft && !isSoft(targets.value(start &+ i)) { continue }
            let w = weight[lane]
            let hess = args.hessian == FOCAL_HESSIAN_ABSOLUTE ? value.hess.v[lane].magnitude : value.hess.v[lane]
            scratch.loss[i] = w == 0 ? 0 : V.Scalar(w * value.loss.v[lane])
            scratch.grad[i] = w == 0 ? 0 : V.Scalar(w * plan.pointee.scale * value.grad.v[lane])
            scratch.hess[i] = w == 0 ? 0 : V.Scalar(w * plan.pointee.scale * args.hessian_scale * hess)
        }
    }
}

/// A vector of elements for `Careful`, whatever the type of the scores: their targets and weights.
private struct CarefulElements {
    let plan: Plan
    let targets: TargetReader
    let start: Int
    let count: Int

    /// Values without sample and class weights, and these.
    @inline(never) func value(_ scores: Doubles.Storage, _ live: Doubles.Storage) -> (Careful.Value, Doubles.Storage) {
        let args = plan.pointee.args
        var hard = Doubles.Storage()
        var alpha = Doubles.Storage(repeating: 1), beta = Doubles.Storage(repeating: 1)
        var positive = Doubles.Storage(), negative = Doubles.Storage(), weight = Doubles.Storage()
        for lane in 0..<count {
            let place = Place(plan, start &+ lane)
            hard[lane] = target(start &+ lane, place)
            let a = args.alphas.map { $0[place.klass] } ?? args.alpha
            if a != FOCAL_ALPHA_OFF { (alpha[lane], beta[lane]) = (a, 1 - a) }
            positive[lane] = args.pos_weights.map { $0[place.klass] } ?? args.pos_weight
            negative[lane] = args.neg_weight
            weight[lane] = live[lane] == 0 ? 0 : sampleWeight(place, start &+ lane)
        }
        let e = args.label_smoothing
        let smoothed = hard * (1 - e) + e / 2
        let smoothedRest = (1 - hard) * (1 - e) + e / 2
        let keeps = args.smoothing_rule == FOCAL_SMOOTHING_CE
        let element = Careful.Element(
            score: Doubles(scores), target: Doubles(keeps ? hard : smoothed),
            targetRest: Doubles(keeps ? 1 - hard : smoothedRest),
            smoothed: Doubles(smoothed), smoothedRest: Doubles(smoothedRest), positiveAlpha: Doubles(alpha),
            negativeAlpha: Doubles(beta), positiveWeight: Doubles(positive), negativeWeight: Doubles(negative))
        return (Careful(plan: plan).value(element), weight)
    }

    private func target(_ element: Int, _ place: Place) -> Double {
        if plan.pointee.isLabels { return plan.pointee.isPositive(place.klass, targets.label(place.sample)) ? 1 : 0 }
        return targets.value(element)
    }

    /// Sample and class weight.  (An ignored element has none, and the stage before has set its score to 0.)
    private func sampleWeight(_ place: Place, _ element: Int) -> Double {
        let byElement = plan.pointee.args.weight_layout == FOCAL_WEIGHTS_ELEMENT
        return plan.pointee.weight(byElement ? element : place.sample)
            * (plan.pointee.args.class_weights.map { $0[place.klass] } ?? 1)
    }
}

/// Where an element of [outer, classes, inner] stands.
struct Place {
    let sample: Int
    let klass: Int

    @inline(__always) init(_ plan: Plan, _ element: Int) {
        let classes = Int(plan.pointee.args.classes), inner = Int(plan.pointee.args.inner)
        let line = element / inner
        klass = line % classes
        sample = (line / classes) &* inner &+ element % inner
    }
}
