import CKernels

/// Softmax over long rows, a class in every lane: a few rows at a time, so that the term has its eight samples.  The first pass
/// turns a row's scores into exponentials and adds them up, the second scales these into the outputs.
struct SoftmaxRows<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// Rows shorter than this are transposed instead.
    static var shortest: Int { 64 }

    /// Where a row's exponentials stand between the passes.
    private enum Keep {
        /// Where the gradient goes, which is a multiple of them.
        case gradient
        case tile
        /// They are computed again.
        case nowhere
    }

    let plan: Plan
    let scratch: SoftmaxScratch<V>
    private let classes: Int
    private let chunk: Int
    private let keep: Keep
    /// Rows at a time.
    private let height: Int
    /// The caller's arrays hold what lanes compute on.
    private let readsLanes: Bool
    private let writesLanes: Bool

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
        let args = plan.pointee.args
        classes = Int(args.classes)
        chunk = SoftmaxScratch<V>.chunk(of: classes)
        readsLanes = args.score_dtype == V.dtype
        writesLanes = plan.pointee.outDtype == V.dtype
        let others = args.hess != nil || args.probabilities != nil
        let room = SoftmaxScratch<V>.vectors &* V.count
        if args.grad != nil && args.accumulate == 0 && !others && writesLanes {
            keep = .gradient
            height = max(1, min(8, 16384 / classes))  // in the second cache
        } else if classes <= room {
            keep = .tile
            height = min(8, room / classes)
        } else {
            keep = .nowhere
            height = 1
        }
    }

    private var chunks: Int { (classes &+ chunk &- 1) / chunk }

    private func tile(_ first: Int, _ count: Int, _ begin: Int, _ sums: inout SIMD8<Double>) {
        let stage = SampleStage(plan: plan, scratch: scratch, first: first, count: count)
        let samples = scratch.samples
        stage.begin()
        for c in 0..<chunks {
            for r in 0..<count { addUp(Part(self, first, r, c), r, c) }
            samples.addChunk(count, isFirst: c == 0)
        }
        stage.finish(from: begin, &sums)
        for c in 0..<chunks {
            for r in 0..<count {
                samples.chunkShift[r] = scratch.shifts[r &* chunks &+ c]
                samples.chunkSteps[r] = scratch.steps[r &* chunks &+ c]
            }
            samples.scaleChunk(count, largest: Double(V.Scalar.greatestFiniteMagnitude))
            for r in 0..<count {
                let part = Part(self, first, r, c)
                write(.grad, part, r)
                write(.hess, part, r)
                write(.probabilities, part, r)
            }
        }
    }

    /// A chunk of a row.
    private struct Part {
        let element: Int  // its first
        let count: Int
        let target: Int  // in it, if from 0 to count - 1
        let kept: Array?  // where its exponentials stay

        @inline(__always) init(_ rows: SoftmaxRows, _ first: Int, _ r: Int, _ c: Int) {
            let start = c &* rows.chunk
            element = (first &+ r) &* rows.classes &+ start
            count = min(rows.chunk, rows.classes &- start)
            target = Int(rows.scratch.samples.label[r]) &- start
            switch rows.keep {
            case .gradient:
                kept = rows.plan.pointee.args.grad.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self) + element
            case .tile: kept = rows.scratch.tile + r &* rows.classes
            case .nowhere: kept = nil
            }
        }
    }

    // MARK: - First pass

    /// The scores of a block, where they lie or converted: once, where the tile has room for them.
    @inline(__always) private func scores(_ part: Part, _ offset: Int, _ count: Int, again: Bool) -> UnsafePointer<V.Scalar> {
        let dtype = plan.pointee.args.score_dtype
        let source = plan.pointee.args.scores.unsafelyUnwrapped + (part.element &+ offset) &* size(of: dtype)
        if readsLanes { return UnsafePointer(source.assumingMemoryBound(to: V.Scalar.self)) }
        let place = keep == .tile ? exponentials(part, offset) : scratch.out
        if !again || keep != .tile { V.read(dtype, source, count, into: place) }
        return UnsafePointer(place)
    }

    @inline(__always) private func exponentials(_ part: Part, _ offset: Int) -> Array {
        part.kept.map { $0 + offset } ?? scratch.tile
    }

    @inline(__always) private func forEachBlock(_ part: Part, _ body: (Int, Int) -> Void) {
        var offset = 0
        while offset < part.count {
            body(offset, min(SoftmaxScratch<V>.block, part.count &- offset))
            offset &+= SoftmaxScratch<V>.block
        }
    }

    /// Finds a chunk's reference, makes its exponentials and adds them up beside the target's.
    private func addUp(_ part: Part, _ r: Int, _ c: Int) {
        let samples = scratch.samples
        let reference = Reference(maximum: V(largest(part)))
        if part.target >= 0 && part.target < part.count {
            let dtype = plan.pointee.args.score_dtype
            let score = plan.pointee.args.scores.unsafelyUnwrapped + (part.element &+ part.target) &* size(of: dtype)
            samples.target[r] = scalar(dtype, score)
        }
        let place = r &* chunks &+ c
        scratch.shifts[place] = Double(reference.shift.largest)
        scratch.steps[place] = Double(reference.steps.largest)
        samples.chunkShift[r] = scratch.shifts[place]
        samples.chunkSteps[r] = scratch.steps[place]
        var sums = Extremes<Doubles>()
        forEachBlock(part) { offset, count in
            exponentiate(part, offset, count, reference)
            let block = sum(exponentials(part, offset), count, beside: part.target &- offset)
            sums.add(rest: Doubles(Double(block.rest)), top: Doubles(Double(block.top)))
        }
        samples.chunkRest[r] = sums.rest.largest
        samples.chunkTop[r] = sums.top.largest
    }

    @inline(never) private func largest(_ part: Part) -> V.Scalar {
        var maximum = V(-Double.infinity)
        forEachBlock(part) { offset, count in
            let z = scores(part, offset, count, again: false)
            var i = 0
            while i &+ V.count <= count {
                let z = V(loading: z + i)
                maximum = V.select(maximum < z, z, maximum)
                i &+= V.count
            }
            if i < count {
                let z = V(loading: z + i, first: count &- i)
                maximum = V.select(V.and(V.first(count &- i), maximum < z), z, maximum)
            }
        }
        return maximum.largest
    }

    @inline(never) private func shifted(
        _ part: Part, _ offset: Int, _ count: Int, _ reference: Reference<V>
    ) -> UnsafePointer<V.Scalar> {
        map(scores(part, offset, count, again: true), count, to: scratch.out, Shifted(reference: reference))
        return UnsafePointer(scratch.out)
    }

    @inline(never) private func exponentiate(_ part: Part, _ offset: Int, _ count: Int, _ reference: Reference<V>) {
        let z = reference.isFar ? shifted(part, offset, count, reference) : scores(part, offset, count, again: true)
        map(z, count, to: exponentials(part, offset), Near(reference: reference))
    }

    /// The sum of a block's exponentials beside the target's: SoftmaxScratch.sums of them, where a vector has fewer lanes every
    /// other vector has its own.
    @inline(never) private func sum(_ e: Array, _ count: Int, beside target: Int) -> (rest: V.Scalar, top: V.Scalar) {
        let isHere = target >= 0 && target < count
        let saved = isHere ? e[target] : 0
        if isHere { e[target] = 0 }
        var even = Extremes<V>(), odd = Extremes<V>()
        let isShort = V.count < SoftmaxScratch<V>.sums
        let step = isShort ? 2 &* V.count : V.count
        var i = 0
        while i &+ step <= count {
            even.add(top: V(loading: e + i))
            if isShort { odd.add(top: V(loading: e + (i &+ V.count))) }
            i &+= step
        }
        if i < count { even.add(top: V(loading: e + i, first: count &- i)) }
        if isShort {
            odd.add(top: V(loading: e + (i &+ V.count), first: count &- i &- V.count))
            even.add(rest: odd.rest, top: odd.top)
        }
        if isHere { e[target] = saved }
        return V.fold(rest: even.rest, top: even.top)
    }

    // MARK: - Second pass

    @inline(never) private func write(_ output: SoftmaxOutput, _ part: Part, _ r: Int) {
        let args = plan.pointee.args
        guard let base = output.pointer(args) else { return }
        let writer = SoftmaxWriter(plan: plan, scratch: scratch)
        if keep != .nowhere && writesLanes && !writer.adds(output) {
            let values = base.assumingMemoryBound(to: V.Scalar.self) + part.element
            fill(values, output, part.kept.unsafelyUnwrapped, part.count, part.target, r)
            return
        }
        let samples = scratch.samples
        let reference = Reference(shift: V(samples.chunkShift[r]), steps: V(samples.chunkSteps[r]))
        forEachBlock(part) { offset, count in
            let e = exponentials(part, offset)
            if keep == .nowhere { exponentiate(part, offset, count, reference) }
            fill(scratch.row, output, e, count, part.target &- offset, r)
            writer.put(scratch.row, count, output, at: part.element &+ offset)
        }
    }

    /// Values of one output from the exponentials of its classes, in whose place they may stand.
    @inline(never) private func fill(
        _ values: Array, _ output: SoftmaxOutput, _ e: Array, _ count: Int, _ target: Int, _ r: Int
    ) {
        let samples = scratch.samples
        if plan.pointee.ignores && output.isSilenced && samples.live[r] == 0 { return V.fill(values, count, with: 0) }
        if let factor = output.factor(samples) {
            map(UnsafePointer(e), count, to: values, Multiple(factor: V(factor[r])))
        } else {
            map(UnsafePointer(e), count, to: values, HessianFormula(plan, samples) { V($0[r]) })
        }
        if target >= 0 && target < count { values[target] = V.Scalar(output.target(samples)[r]) }
    }

    @inline(__always) private func map<F: ClassFormula>(
        _ from: UnsafePointer<V.Scalar>, _ count: Int, to: Array, _ formula: F
    ) where F.V == V {
        var i = 0
        while i &+ V.count <= count {
            formula.value(V(loading: from + i)).store(to: to + i)
            i &+= V.count
        }
        if i < count { formula.value(V(loading: from + i, first: count &- i)).store(to: to + i, first: count &- i) }
    }
}
