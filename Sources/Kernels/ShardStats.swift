import CKernels

/// Step one of a sharded softmax, sample by sample: the maximum, the sum relative to it, the target's score.
struct ShardStats {
    let plan: Plan
    let begin: Int
    let end: Int

    func run() {
        let args = plan.pointee.args
        let targets = TargetReader(plan)
        for index in begin..<end {
            let label = targets.label(index) &- args.shard_offset
            let isHere = label >= 0 && label < args.classes
            let sample = SoftmaxSample(plan, index, without: isHere ? Int(label) : nil)
            args.shard_max.unsafelyUnwrapped[index] = sample.maximum
            args.shard_sum.unsafelyUnwrapped[index] = sample.sumFromMaximum
            args.shard_target.unsafelyUnwrapped[index] = isHere ? sample.score(Int(label)) : -.infinity
        }
    }
}
