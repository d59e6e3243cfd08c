import CKernels

/// The full K x K Hessian of each sample, for those who need it whole (CatBoost):
///
///     H_tt = a f''    H_tk = -a f'' r_k    H_kl = a ((f'' + f') r_k r_l - f' r_k [k = l])
struct SoftmaxHessian {
    let plan: Plan
    let begin: Int
    let end: Int
    /// The shares of at most 4096 classes (Check sees to that) in the kernel's scratch.
    let ratios: UnsafeMutablePointer<Double>

    static func run(_ plan: Plan, _ begin: Int, _ end: Int, _ memory: UnsafeMutableRawPointer) {
        SoftmaxHessian(plan: plan, begin: begin, end: end, ratios: memory.assumingMemoryBound(to: Double.self)).run()
    }

    private func run() {
        let targets = TargetReader(plan)
        for index in begin..<end {
            let label = targets.label(index)
            let isLive = !plan.pointee.isIgnored(index, label: label)
            block(SoftmaxSample(plan, index), isLive ? Int(label) : 0, isLive: isLive)
        }
    }

    private func block(_ sample: SoftmaxSample, _ target: Int, isLive: Bool) {
        let args = plan.pointee.args
        let weight = isLive ? plan.pointee.labelWeight(target) * plan.pointee.weight(sample.sample) : 0
        let scale = weight * plan.pointee.scale * args.hessian_scale
        let (slope, bend) = sample.derivatives(target, gamma: args.gammas.map { $0[target] } ?? args.gamma)
        let largest = sample.fillRatios(ratios, beside: target)
        let dtype = plan.pointee.outDtype
        let first = sample.sample &* sample.classes &* sample.classes
        let output = args.hess_full.unsafelyUnwrapped + first &* size(of: dtype)
        for k in 0..<sample.classes {
            for l in 0..<sample.classes {
                let value =
                    k == l && k != target
                    ? diagonal(k, slope: slope, bend: bend, complement: k == largest.largest ? largest.complement : 1 - ratios[k])
                    : entry(k, l, target, slope: slope, bend: bend)
                let place = output + (k &* sample.classes &+ l) &* size(of: dtype)
                storeScalar(scale == 0 ? 0 : scale * value, dtype, to: place)
            }
        }
    }

    private func entry(_ k: Int, _ l: Int, _ target: Int, slope: Double, bend: Double) -> Double {
        if k == target { return l == target ? bend : -bend * ratios[l] }
        if l == target { return -bend * ratios[k] }
        return (bend - slope) * (ratios[k] * ratios[l])
    }

    private func diagonal(_ k: Int, slope: Double, bend: Double, complement: Double) -> Double {
        ratios[k] * (slope * complement + bend * ratios[k])
    }
}
