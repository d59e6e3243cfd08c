import CKernels

/// Softmax over long rows, a class in every lane: a few rows at a time, so that the term has its eight samples, each in two
/// passes over its classes.  The exponentials of rows that fit the tile are kept between the passes.
struct SoftmaxRows<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// Rows shorter than this are transposed instead.
    static var shortest: Int { 64 }

    let plan: Plan
    let scratch: SoftmaxScratch<V>
    private let classes: Int
    /// Vectors of a row.
    private let length: Int

    static func run(_ plan: Plan, _ begin: Int, _ end: Int, _ memory: UnsafeMutableRawPointer) -> Double {
        let rows = SoftmaxRows(plan, SoftmaxScratch(memory))
        var sums = SIMD8<Double>()
        var first = begin
        while first < end {
            let count = min(rows.height, end &- first)
            rows.tile(first, count, begin, &sums)
            first &+= count
        }
        return Reduction.tree(sums)
    }

    private init(_ plan: Plan, _ scratch: SoftmaxScratch<V>) {
        self.plan = plan
        self.scratch = scratch
        classes = Int(plan.pointee.args.classes)
        length = (classes &+ V.count &- 1) / V.count
    }

    private var chunk: Int { SoftmaxScratch<V>.chunk }
    private var chunks: Int { (classes &+ chunk &- 1) / chunk }
    private var isKept: Bool { length <= SoftmaxScratch<V>.vectors }
    /// Rows at a time.  Each has a reference for each of its chunks.
    private var height: Int { isKept ? min(8, SoftmaxScratch<V>.vectors / length) : 1 }

    private func tile(_ first: Int, _ count: Int, _ begin: Int, _ sums: inout SIMD8<Double>) {
        let stage = SampleStage(plan: plan, scratch: scratch, first: first, count: count)
        stage.begin()
        for r in 0..<count {
            for c in 0..<chunks {
                let e = exponentials(row: first &+ r, r, c)
                addChunk(e, r, c)
            }
        }
        stage.finish(from: begin, &sums)
        let samples = scratch.samples
        for r in 0..<count {
            for c in 0..<chunks {
                let e = isKept ? kept(r, c) : exponentials(row: first &+ r, r, c)
                samples.scaleChunk(of: r, at: reference(r, c), largest: Double(V.Scalar.greatestFiniteMagnitude))
                write(.grad, e, row: first &+ r, r, c)
                write(.hess, e, row: first &+ r, r, c)
                write(.probabilities, e, row: first &+ r, r, c)
            }
        }
    }

    /// Where a chunk's reference stands; kept tiles have one for each, others use the first again.
    private func reference(_ r: Int, _ c: Int) -> Int { isKept ? r &* chunks &+ c : 0 }
    private func kept(_ r: Int, _ c: Int) -> Array { scratch.tile + (r &* length &* V.count &+ c &* chunk) }
    private func classes(in c: Int) -> Int { min(chunk, classes &- c &* chunk) }

    // MARK: - First pass

    /// Reads a chunk of a row and turns it into exponentials relative to its maximum; lanes past the end are 0.
    @inline(never) private func exponentials(row: Int, _ r: Int, _ c: Int) -> Array {
        let dtype = plan.pointee.args.score_dtype, count = classes(in: c)
        let e = isKept ? kept(r, c) : scratch.tile
        let element = row &* classes &+ c &* chunk
        V.read(dtype, plan.pointee.args.scores.unsafelyUnwrapped + element &* size(of: dtype), count, into: e)
        V.pad(e, count, with: -V.Scalar.infinity)
        var maximum = V(-Double.infinity)
        var i = 0
        while i < count {
            let z = V(loading: e + i)
            maximum = V.select(maximum < z, z, maximum)
            i &+= V.count
        }
        let reference = Reference(maximum: V(maximum.largest))
        i = 0
        if reference.isFar {
            while i < count {
                reference.far(V(loading: e + i)).store(to: e + i)
                i &+= V.count
            }
            // Where all is -inf each class counts 1, but not what pads the last vector.
            for j in count..<i { e[j] = 0 }
        } else {
            while i < count {
                reference.near(V(loading: e + i)).store(to: e + i)
                i &+= V.count
            }
        }
        let place = self.reference(r, c)
        scratch.samples.chunkShift[place] = Double(reference.shift.largest)
        scratch.samples.chunkSteps[place] = Double(reference.steps.largest)
        return e
    }

    /// Adds up a chunk's exponentials beside the target's.
    @inline(never) private func addChunk(_ e: Array, _ r: Int, _ c: Int) {
        let samples = scratch.samples, count = classes(in: c)
        let target = Int(samples.label[r]) &- c &* chunk
        let isHere = target >= 0 && target < count
        let saved = isHere ? e[target] : 0
        if isHere { e[target] = 0 }
        // SoftmaxScratch.sums of them: where a vector has fewer lanes, even and odd vectors have their own.
        var sums = Extremes<V>(), odd = Extremes<V>()
        var i = 0
        while i < count {
            sums.add(top: V(loading: e + i))
            i &+= V.count
            if V.count < SoftmaxScratch<V>.sums && i < count {
                odd.add(top: V(loading: e + i))
                i &+= V.count
            }
        }
        if V.count < SoftmaxScratch<V>.sums { sums.add(rest: odd.rest, top: odd.top) }
        if isHere { e[target] = saved }
        let place = reference(r, c)
        let lanes = V.fold(rest: sums.rest, top: sums.top)
        let chunk = Mass(
            shift: Doubles(samples.chunkShift[place]), steps: Doubles(samples.chunkSteps[place]),
            rest: Doubles(Double(lanes.rest)),
            top: Doubles(Double(lanes.top)))
        let own = Mass(
            shift: Doubles(samples.shift[r]), steps: Doubles(samples.steps[r]), rest: Doubles(samples.rest[r]),
            top: Doubles(samples.top[r]))
        let all = c == 0 ? chunk : own + chunk
        samples.setMass(r, shift: all.shift.v[0], steps: all.steps.v[0], rest: all.rest.v[0], top: all.top.v[0])
    }

    // MARK: - Second pass

    @inline(never) private func write(_ output: SoftmaxOutput, _ e: Array, row: Int, _ r: Int, _ c: Int) {
        guard output.pointer(plan.pointee.args) != nil else { return }
        let samples = scratch.samples, count = classes(in: c)
        let values = scratch.row
        if plan.pointee.ignores && output.isSilenced && samples.live[r] == 0 {
            for i in 0..<count { values[i] = 0 }
        } else {
            let formula = ClassFormula<V>(plan, samples) { V($0[r]) }
            var i = 0
            while i < count {
                formula.value(output, V(loading: e + i)).store(to: values + i)
                i &+= V.count
            }
            let target = Int(samples.label[r]) &- c &* chunk
            if target >= 0 && target < count { values[target] = V.Scalar(output.target(samples)[r]) }
        }
        SoftmaxWriter(plan: plan, scratch: scratch).put(values, count, output, at: row &* classes &+ c &* chunk)
    }
}
