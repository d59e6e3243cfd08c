import CKernels

/// Softmax losses of class probabilities and of smoothed labels, a sample at a time in double: sums over the classes first,
/// then each class's derivatives from them by jets.
enum SoftmaxCareful {
    static func run(_ plan: Plan, _ begin: Int, _ end: Int) -> Double {
        var sums = SIMD8<Double>()
        for sample in begin..<end { sums[(sample &- begin) & 7] += SoftmaxLoss(plan, sample).run() }
        return Reduction.tree(sums)
    }
}

/// One sample of it.  With y the targets, a the class weights and M the modulator (1 - p_t)^g or (1 - p_k)^g:
///
///     INTERPOLATE   loss = M sum v_k L_k           with v = y a, or smoothed
///     MIXTURE       loss = sum y_k a_k M_k C_k     with C_k = L_k, or (1 - e) L_k + e/K sum L
///
/// A sum of functions h_k of p_k has the derivatives, with h' = dh / dlog p,
///
///     d/dz_j    = h'_j - p_j H'                            where H = sum h
///     d2/dz_j2  = h''_j (1 - 2 p_j) - p_j (1 - p_j) H' + p_j^2 H''
struct SoftmaxLoss {
    private let plan: Plan
    private let targets: TargetReader
    private let sample: SoftmaxSample
    private let label: Int
    private let isLive: Bool
    private let factor: Double  // of everything: sample weight, and class weight where there are labels
    private let gamma: Double
    private let smoothing: Double  // of the cross-entropy alone
    private let targetSmoothing: Double

    /// Sums over the classes.
    private struct Sums {
        var share = F64x8.zero  // y a
        var q = F64x8.zero  // (1 - y) p
        var p = F64x8.zero  // y p
        var weight = F64x8.zero  // v
        var entropy = F64x8.zero  // v L
        var logs = F64x8.zero  // L
        var term = Jet.zero  // y a M L, by log p
        var modulator = Jet.zero  // y a M, by log p
        var infinite = F64x8.zero  // weight of absent classes
    }

    init(_ plan: Plan, _ index: Int) {
        let args = plan.pointee.args
        self.plan = plan
        targets = TargetReader(plan)
        sample = SoftmaxSample(plan, index)
        let labels = plan.pointee.isLabels
        let given = labels ? targets.label(index) : 0
        let isMasked = args.ignore_mask.map { $0[index] != 0 } ?? false
        isLive = !isMasked && !(labels && given == args.ignore_index)
        label = isLive ? Int(given) : 0
        factor = plan.pointee.weight(index) * (labels && isLive ? plan.pointee.classWeight(label) : 1)
        gamma = labels && args.gammas != nil ? args.gammas[label] : args.gamma
        let isTargets = args.smoothing_rule == FOCAL_SMOOTHING_TARGETS
        smoothing = isTargets ? 0 : args.label_smoothing
        targetSmoothing = isTargets ? args.label_smoothing : 0
    }

    /// Writes the sample's outputs and returns its loss.
    func run() -> Double {
        var sums = Sums()
        sample.forEachEight { add($0, $1, to: &sums) }
        let all = Totals(sums, self)
        let loss = isLive && factor != 0 ? factor * all.loss : 0
        let args = plan.pointee.args
        if let output = args.loss { put(loss, output, sample.sample) }
        if let output = args.log_sum_exp { put(sample.logSum, output, sample.sample) }
        if args.grad != nil || args.hess != nil || args.probabilities != nil {
            sample.forEachEight { derive($0, $1, all) }
        }
        return loss
    }

    private var isMixture: Bool { plan.pointee.args.soft_rule == FOCAL_SOFT_MIXTURE }
    private var uniform: F64x8 { F64x8(1 / Double(sample.classes)) }

    /// The targets of some classes, smoothed where the rule smooths targets, and y a.
    private func shares(_ klass: Int, _ count: Int) -> (y: F64x8, share: F64x8) {
        let labels = plan.pointee.isLabels
        let given = sample.lanes(klass, count, beyond: 0) { k in
            labels ? (k == label ? 1 : 0) : targets.value(sample.element(k))
        }
        let weight = sample.lanes(klass, count, beyond: 0) { k in
            plan.pointee.classAlpha(k) * (labels ? 1 : plan.pointee.classWeight(k))
        }
        let y = given * F64x8(1 - targetSmoothing) + uniform * F64x8(targetSmoothing)
        return (y, y * weight)
    }

    private func add(_ klass: Int, _ count: Int, to sums: inout Sums) {
        let (y, share) = shares(klass, count)
        let (p, q, loss) = sample.probabilities(klass, count)
        let exists = sample.lanes(klass, count, beyond: 0) { _ in 1 }
        let finite = F64x8.select(exists == F64x8.one, loss.atMost(F64x8(1e300)), F64x8.zero)
        let none = F64x8.zero
        sums.share = sums.share + share
        sums.q = sums.q + F64x8.select(y == F64x8.one, none, (F64x8.one - y) * p)
        sums.p = sums.p + y * p
        sums.weight = sums.weight + share
        sums.entropy = sums.entropy + F64x8.select(share == none, none, share * finite)
        sums.logs = sums.logs + finite
        let isAbsent = F64x8.and(F64x8(1e300) < loss, F64x8.not(share == none))
        sums.infinite = sums.infinite + F64x8.select(isAbsent, share, none)
        if isMixture {
            let m = Jet(q, -p, -p).power(gamma)
            sums.modulator = sums.modulator + share * m
            sums.term = sums.term + share * (m * Jet(finite, -F64x8.one, none))
        }
    }

    /// The sums in every lane, and the loss.
    private struct Totals {
        let q, p, share, weight, entropy, logs: F64x8
        let term, modulator: Jet
        let loss: Double

        init(_ s: Sums, _ sample: SoftmaxLoss) {
            func total(_ v: F64x8) -> F64x8 { F64x8(v.sum) }
            func total(_ j: Jet) -> Jet { Jet(total(j.value), total(j.first), total(j.second)) }
            let keep = F64x8(1 - sample.smoothing), even = F64x8(sample.smoothing) * sample.uniform
            q = total(s.q)
            p = total(s.p)
            share = total(s.share)
            logs = total(s.logs)
            // Smoothing of the cross-entropy alone spreads a part of the share evenly.
            weight = total(s.weight)
            entropy = keep * total(s.entropy) + even * share * logs
            term = total(s.term)
            modulator = total(s.modulator)
            let value =
                sample.isMixture
                ? keep * term.value + even * modulator.value * logs
                : Jet(q, F64x8.zero, F64x8.zero).power(sample.gamma).value * entropy
            loss = s.infinite.sum > 0 ? .infinity : value.v[0]
        }
    }

    private func derive(_ klass: Int, _ count: Int, _ all: Totals) {
        let args = plan.pointee.args
        let (y, share) = shares(klass, count)
        let (p, q, loss) = sample.probabilities(klass, count)
        let finite = loss.atMost(F64x8(1e300))
        let jet = isMixture ? mixture(share, p, q, finite, all) : interpolated(y, share, p, q, all)
        var hess = jet.second
        switch args.hessian {
        case FOCAL_HESSIAN_ABSOLUTE: hess = hess.magnitude
        case FOCAL_HESSIAN_GAUSS_NEWTON: hess = gaussNewton(all) * p * q
        default: break
        }
        write(klass, count, p, grad: jet.first, hess: hess)
    }

    /// Differences such as p - y are written p (1 - y) - y q: exact where a target is 0 or 1.
    private func interpolated(_ y: F64x8, _ share: F64x8, _ p: F64x8, _ q: F64x8, _ all: Totals) -> Jet {
        let one = F64x8.one
        let pull = p * ((one - y) * all.p - y * all.q)
        let modulator = Jet(all.q, pull, pull * (q - p)).power(gamma)
        let v = F64x8(1 - smoothing) * share + F64x8(smoothing) * uniform * all.share
        let slope = p * (all.weight - v) - v * q
        return modulator * Jet(all.entropy, slope, all.weight * p * q)
    }

    private func mixture(_ share: F64x8, _ p: F64x8, _ q: F64x8, _ loss: F64x8, _ all: Totals) -> Jet {
        let m = Jet(q, -p, -p).power(gamma)
        let term = summed(share * (m * Jet(loss, -F64x8.one, F64x8.zero)), all.term, p, q)
        let modulator = summed(share * m, all.modulator, p, q)
        let logs = summed(
            Jet(loss, -F64x8.one, F64x8.zero), Jet(all.logs, -F64x8(Double(sample.classes)), F64x8.zero), p, q)
        return F64x8(1 - smoothing) * term + F64x8(smoothing) * uniform * (modulator * logs)
    }

    /// A sum's derivatives by one score, from the class's own by log p and their totals.
    private func summed(_ own: Jet, _ all: Jet, _ p: F64x8, _ q: F64x8) -> Jet {
        Jet(
            all.value, own.first * q - p * (all.first - own.first),
            own.second * q * q + p * p * (all.second - own.second) - p * q * all.first)
    }

    /// What p (1 - p) is multiplied by: M V + g q^(g-1) p_t CE, or its like for each class.
    private func gaussNewton(_ all: Totals) -> F64x8 {
        if isMixture {
            // sum y a (M - M' C), where M' = dM / dlog p and -term' = sum y a (M - M' L).
            let even = F64x8(smoothing) * uniform
            let kept = F64x8(1 - smoothing) * (-all.term.first)
            return kept + F64x8(smoothing) * all.modulator.value - even * all.modulator.first * all.logs
        }
        let m = Jet(all.q, F64x8.one, F64x8.zero).power(gamma)
        return m.value * all.weight + m.first * all.p * all.entropy
    }

    // MARK: - Out

    private func put(_ value: Double, _ output: UnsafeMutableRawPointer, _ index: Int) {
        let dtype = plan.pointee.outDtype
        store(value, dtype, to: output + index &* size(of: dtype))
    }

    private func write(_ klass: Int, _ count: Int, _ p: F64x8, grad: F64x8, hess: F64x8) {
        let args = plan.pointee.args
        let dtype = plan.pointee.outDtype
        let isSilent = !isLive || factor == 0
        let upstream = args.upstream.map { scalar(dtype, $0 + sample.sample &* size(of: dtype)) } ?? 1
        for i in 0..<count {
            let element = sample.element(klass &+ i)
            if let output = args.grad {
                let old = args.accumulate == 0 ? 0 : scalar(dtype, UnsafeRawPointer(output) + element &* size(of: dtype))
                let value = isSilent ? 0 : factor * plan.pointee.scale * upstream * grad.v[i]
                put(args.accumulate == 0 ? value : old + value, output, element)
            }
            if let output = args.hess {
                let value = isSilent ? 0 : factor * plan.pointee.scale * args.hessian_scale * hess.v[i]
                put(isLive && value < args.hessian_floor ? args.hessian_floor : value, output, element)
            }
            if let output = args.probabilities { put(p.v[i], output, element) }
        }
    }
}
