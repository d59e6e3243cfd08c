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
/// Where a class with p = 0 has a part in the loss it is infinite.  That class's L then counts in the derivatives by its own
/// derivative alone, and as 0 where M's multiplies it: they stay finite, as a hard target's do.
///
/// Every sum over classes is a `ClassSum`: nothing that is small because one class dominates is a difference.
struct SoftmaxLoss {
    private let plan: Plan
    private let targets: TargetReader
    private let sample: SoftmaxSample
    private let label: Int
    private var topTarget = 0.0
    private let isLive: Bool
    private let factor: Double  // of everything: sample weight, and class weight where there are labels
    private let gamma: Double
    private let smoothing: Double  // of the cross-entropy alone
    private let targetSmoothing: Double

    /// What some classes add to the sums.
    private struct Classes {
        let shares: ClassShares
        let lead: Doubles  // d, the target beyond the top class's, before smoothing
        let share: Doubles  // y a
        let absent: Doubles  // what a class with p = 0 weighs
        let entropy, logs: Jet  // y a L and L
        let term, modulator: Jet  // y a M L and y a M (MIXTURE)
    }

    /// Sums over the classes.
    private struct Sums {
        var lead = ClassSum()  // d p
        var share = ClassSum()
        var absent = ClassSum()
        var entropy = ClassJetSum()
        var logs = ClassJetSum()
        var term = ClassJetSum()
        var modulator = ClassJetSum()
    }

    init(_ plan: Plan, _ index: Int) {
        let args = plan.pointee.args
        self.plan = plan
        targets = TargetReader(plan)
        sample = SoftmaxSample(plan, index)
        let labels = plan.pointee.isLabels
        let given = labels ? targets.label(index) : 0
        isLive = !(labels ? plan.pointee.isIgnored(index, label: given) : plan.pointee.isMasked(index))
        label = isLive ? Int(given) : 0
        factor = plan.pointee.weight(index) * (labels && isLive ? plan.pointee.classWeight(label) : 1)
        gamma = labels && args.gammas != nil ? args.gammas[label] : args.gamma
        let isTargets = args.smoothing_rule == FOCAL_SMOOTHING_TARGETS
        smoothing = isTargets ? 0 : args.label_smoothing
        targetSmoothing = isTargets ? args.label_smoothing : 0
        topTarget = target(sample.top)
    }

    /// Writes the sample's outputs and returns its loss.
    func run() -> Double {
        var sums = Sums()
        sample.forEachVector { add(classes($0, $1), to: &sums) }
        let all = Totals(sums, self)
        let loss = isLive && factor != 0 ? factor * all.loss : 0
        let args = plan.pointee.args
        if let output = args.loss { put(loss, output, sample.sample) }
        if let output = args.log_sum_exp { put(sample.logSum, output, sample.sample) }
        if args.grad != nil || args.hess != nil || args.probabilities != nil {
            sample.forEachVector { derive($0, $1, all) }
        }
        return loss
    }

    private var isMixture: Bool { plan.pointee.args.soft_rule == FOCAL_SOFT_MIXTURE }
    private var uniform: Doubles { Doubles(1 / Double(sample.classes)) }

    /// A class's target, before smoothing.
    private func target(_ klass: Int) -> Double {
        plan.pointee.isLabels ? (klass == label ? 1 : 0) : targets.value(sample.element(klass))
    }

    private func classes(_ klass: Int, _ count: Int) -> Classes {
        let isLabels = plan.pointee.isLabels
        let given = sample.lanes(klass, count, beyond: 0, target)
        let weight = sample.lanes(klass, count, beyond: 0) { k in
            plan.pointee.classAlpha(k) * (isLabels ? 1 : plan.pointee.classWeight(k))
        }
        let exists = sample.lanes(klass, count, beyond: 0) { _ in 1 }
        let shares = sample.shares(klass, count)
        let (p, q, isTop) = (shares.p, shares.q, shares.isTop)
        let isAbsent = Doubles(1e300) < shares.loss  // p = 0, or no room is left for products with weights
        let finite = Doubles.select(isAbsent, Doubles.zero, shares.loss)
        let share = smoothedTarget(given, even: uniform) * weight
        let logs = Jet.select(isTop, Jet(finite, -q, p * q), Jet(finite, -exists, Doubles.zero))
        let other = Jet.select(isTop, Jet(q, -(p * q), p * q * (p - q)), Jet(q, -p, -p))
        let modulator = isMixture ? share * other.power(gamma) : Jet.zero
        return Classes(
            shares: shares, lead: given - Doubles(topTarget), share: share,
            absent: Doubles.select(isAbsent, share + Doubles(smoothing), Doubles.zero),
            entropy: share * logs, logs: logs, term: modulator * logs, modulator: modulator)
    }

    private func add(_ own: Classes, to sums: inout Sums) {
        let isTop = own.shares.isTop
        sums.lead.add(own.lead * own.shares.p, isTop: isTop)
        sums.share.add(own.share, isTop: isTop)
        sums.absent.add(own.absent, isTop: isTop)
        sums.entropy.add(own.entropy, isTop: isTop)
        sums.logs.add(own.logs, isTop: isTop)
        if isMixture {
            sums.term.add(own.term, isTop: isTop)
            sums.modulator.add(own.modulator, isTop: isTop)
        }
    }

    /// The sums in every lane, and the loss.
    private struct Totals {
        let lead, share: ClassSum
        let miss: Doubles  // 1 - p_t
        let entropy, logs, term, modulator: ClassJetSum
        let loss: Double

        init(_ s: Sums, _ loss: SoftmaxLoss) {
            lead = s.lead.total
            miss = loss.smoothedTarget(Doubles(1 - loss.topTarget) - lead.all, even: Doubles.one - loss.uniform)
            share = s.share.total
            entropy = s.entropy.total
            logs = s.logs.total
            term = s.term.total
            modulator = s.modulator.total
            let value =
                loss.isMixture
                ? loss.smoothed(term.all, with: modulator.all * logs.all)
                : Jet(miss, Doubles.zero, Doubles.zero).power(loss.gamma).value
                    * loss.smoothed(entropy.all, with: share.all * logs.all)
            self.loss = s.absent.total.all.v[0] > 0 && share.all.v[0] > 0 ? .infinity : value.v[0]
        }
    }

    /// Targets y = (1 - e) t + e/K, or sums of them.
    private func smoothedTarget(_ given: Doubles, even: Doubles) -> Doubles {
        Doubles(1 - targetSmoothing) * given + Doubles(targetSmoothing) * even
    }

    /// Smoothing of the cross-entropy alone spreads a part of the share evenly: `even` is the share times the sum of L.
    private func smoothed(_ hard: Jet, with even: Jet) -> Jet {
        Doubles(1 - smoothing) * hard + Doubles(smoothing) * uniform * even
    }
    private func smoothed(_ hard: Doubles, with even: Doubles) -> Doubles {
        Doubles(1 - smoothing) * hard + Doubles(smoothing) * uniform * even
    }

    private func derive(_ klass: Int, _ count: Int, _ all: Totals) {
        let args = plan.pointee.args
        let own = classes(klass, count)
        let jet = isMixture ? mixture(own, all) : interpolated(own, all)
        var hess = jet.second
        switch args.hessian {
        case FOCAL_HESSIAN_ABSOLUTE: hess = hess.magnitude
        case FOCAL_HESSIAN_GAUSS_NEWTON: hess = gaussNewton(own.shares, all)
        default: break
        }
        write(klass, count, own.shares.p, grad: jet.first, hess: hess)
    }

    /// With m = 1 - p_t:  dm/dz_j = p_j sum (y_k - y_j) p_k, and d2m/dz_j2 is that times 1 - 2 p_j.  Targets are taken relative
    /// to the top class's, y_k - y_top = (1 - e) d_k:  1 - p_t is exact where the target is hard, and where smoothing gives some
    /// classes the same target no rounding is left, for an entropy as large as the scores to multiply.
    private func interpolated(_ own: Classes, _ all: Totals) -> Jet {
        let (p, q, isTop) = (own.shares.p, own.shares.q, own.shares.isTop)
        let pull = Doubles(1 - targetSmoothing) * p * (all.lead.beside(own.lead * p, isTop: isTop) - own.lead * q)
        let modulator = Jet(all.miss, pull, pull * (q - p)).power(gamma)
        let logs = all.logs.along(own.logs, own.shares)
        return modulator * smoothed(all.entropy.along(own.entropy, own.shares), with: all.share.all * logs)
    }

    private func mixture(_ own: Classes, _ all: Totals) -> Jet {
        let modulator = all.modulator.along(own.modulator, own.shares), logs = all.logs.along(own.logs, own.shares)
        return smoothed(all.term.along(own.term, own.shares), with: modulator * logs)
    }

    /// p (1 - p) times M V + g q^(g-1) p_t CE, or times its like for each class: sum y a (M - M' C), where M' = dM / dlog p
    /// and sum y a (M - M' L) = -term'.
    private func gaussNewton(_ shares: ClassShares, _ all: Totals) -> Doubles {
        let pq = shares.p * shares.q
        if isMixture {
            let pulled = all.logs.all * all.modulator.pull(shares)
            return Doubles(smoothing) * all.modulator.all * pq - smoothed(all.term.pull(shares), with: pulled)
        }
        let m = Jet(all.miss, pq, Doubles.zero).power(gamma)
        let entropy = smoothed(all.entropy.all, with: all.share.all * all.logs.all)
        return m.value * all.share.all * pq + m.first * smoothedTarget(Doubles(topTarget) + all.lead.all, even: uniform) * entropy
    }

    // MARK: - Out

    private func put(_ value: Double, _ output: UnsafeMutableRawPointer, _ index: Int) {
        let dtype = plan.pointee.outDtype
        storeScalar(value, dtype, to: output + index &* size(of: dtype))
    }

    private func write(_ klass: Int, _ count: Int, _ p: Doubles, grad: Doubles, hess: Doubles) {
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
