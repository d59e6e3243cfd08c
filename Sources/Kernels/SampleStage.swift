import CKernels

/// What fills `Samples` before the first pass and empties it after the last.
struct SampleStage<V: Lanes> {
    let plan: Plan
    let scratch: SoftmaxScratch<V>
    let first: Int
    let count: Int

    private var samples: Samples { scratch.samples }

    /// Labels, and weights and gammas as of one class; the rest of the last vector stands idle.
    func begin() {
        let args = plan.pointee.args
        let targets = TargetReader(plan), labels = samples.label
        Labels(targets: args.targets.unsafelyUnwrapped, first: first, count: count, to: labels).run(labels: args.target_dtype)
        if plan.pointee.ignores {
            for i in 0..<count where plan.pointee.isIgnored(first &+ i, label: targets.label(first &+ i)) { labels[i] = .nan }
        }
        let offset = Doubles(Double(args.shard_total > 0 ? args.shard_offset : 0)), classes = Doubles(Double(args.classes))
        let weight = Doubles(args.alpha == FOCAL_ALPHA_OFF ? 1 : args.alpha), gamma = Doubles(args.gamma)
        var i = 0
        while i < count {
            let label = Doubles(loading: samples.label + i), local = label - offset
            let isLive = label == label, live = Doubles.select(isLive, Doubles.one, Doubles.zero)
            let isHere = Doubles.and(Doubles.not(local < Doubles.zero), local < classes)
            Doubles.select(isHere, local, Doubles(-1.0)).store(to: samples.label + i)
            live.store(to: samples.live + i)
            live.store(to: samples.present + i)
            Doubles.select(isLive, weight, Doubles.zero).store(to: samples.weight + i)
            Doubles.select(isLive, gamma, Doubles.zero).store(to: samples.gamma + i)
            // The first pass over the scores puts in what is here.  Of what is ignored, a number that the term can compute with.
            Doubles.select(isLive, Doubles(-Double.infinity), Doubles.zero).store(to: samples.target + i)
            i &+= Doubles.count
        }
        let varies = args.alphas != nil || args.class_weights != nil || args.weights != nil || args.gammas != nil
        if varies || args.shard_total > 0 { for i in 0..<count { refine(i, targets.label(first &+ i)) } }
        // Idle lanes compute on harmless numbers.
        i = count
        while i & 15 != 0 {
            set(idle: i)
            i &+= 1
        }
    }

    /// What depends on the sample's class or on the sample.
    private func refine(_ i: Int, _ label: Int64) {
        let args = plan.pointee.args
        // Step one of a sharded softmax does not know what is ignored.
        if args.shard_total > 0 { samples.present[i] = label >= 0 && label < args.shard_total ? 1 : 0 }
        guard samples.live[i] != 0 else { return }
        samples.weight[i] = plan.pointee.labelWeight(Int(label)) * plan.pointee.weight(first &+ i)
        if let gammas = args.gammas { samples.gamma[i] = gammas[Int(label)] }
    }

    private func set(idle i: Int) {
        samples.label[i] = -1
        samples.live[i] = 0
        samples.present[i] = 1
        samples.weight[i] = 0
        samples.gamma[i] = 0
        samples.target[i] = 0
        samples.chunkShift[i] = 0
        samples.chunkSteps[i] = 0
        samples.chunkRest[i] = 1
        samples.chunkTop[i] = 0
    }

    /// The term, and what belongs to samples rather than classes.  Adds the losses to `sums` by the samples' place in their
    /// range, so that the tile's width does not matter.
    @inline(never) func finish(from begin: Int, _ sums: inout SIMD8<Double>) {
        let args = plan.pointee.args
        if args.shard_total > 0 { mergeShards() }
        SoftmaxTerm(plan: plan, samples: samples, count: count, scratch: scratch.term).run()
        if let upstream = args.upstream { multiply(upstream) }
        if args.reduced_loss != nil { Reduction.add(samples.loss, count, at: first &- begin, to: &sums) }
        if let loss = args.loss { write(samples.loss, loss) }
        if let logSum = args.log_sum_exp { write(samples.logSum, logSum) }
    }

    private func write(_ column: UnsafeMutablePointer<Double>, _ output: UnsafeMutableRawPointer) {
        let dtype = plan.pointee.outDtype
        for i in 0..<count { scratch.row[i] = V.Scalar(column[i]) }
        V.write(scratch.row, count, dtype, to: output + first &* size(of: dtype))
    }

    private func multiply(_ upstream: UnsafeRawPointer) {
        let dtype = plan.pointee.outDtype
        V.read(dtype, upstream + first &* size(of: dtype), count, into: scratch.row)
        for i in 0..<count {
            samples.gradFactor[i] *= Double(scratch.row[i])
            samples.gradTarget[i] *= Double(scratch.row[i])
        }
    }

    /// Step two of a sharded softmax: the sums are those of all shards, relative to the larger of maximum and target and in
    /// the form of every mass, so that this shard's exponentials scale to it exactly.
    private func mergeShards() {
        let args = plan.pointee.args
        for i in 0..<count {
            let largest = args.shard_max.unsafelyUnwrapped[first &+ i]
            samples.target[i] = args.shard_target.unsafelyUnwrapped[first &+ i]
            let top = samples.target[i] > largest ? samples.target[i] : largest
            let reference = Reference(maximum: Doubles(top))
            let mass = Mass(
                shift: reference.shift, steps: reference.steps, rest: Doubles.zero, top: Doubles.zero)
            let sum = args.shard_sum.unsafelyUnwrapped[first &+ i] * mass.exponential(Doubles(largest)).v[0]
            samples.setMass(i, shift: mass.shift.v[0], steps: mass.steps.v[0], rest: sum, top: 0)
        }
    }
}

/// Labels as doubles.
private struct Labels: TargetWork {
    let targets: UnsafeRawPointer
    let first: Int
    let count: Int
    let to: UnsafeMutablePointer<Double>

    func run<T: Target>(_: T.Type) {
        for i in 0..<count { to[i] = T.value(T.at(targets, first &+ i)) }
    }
}
