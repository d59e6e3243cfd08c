import CKernels

/// Softmax over long rows, a class in every lane: some rows at a time, so that the term has vectors of samples.  The first pass
/// turns a row's scores into exponentials and adds them up, the second scales these into the outputs.
struct SoftmaxRows<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// Rows at a time: each step between the passes waits for the one before it, four vectors of samples wait once.
    private static var tallest: Int { 32 }
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
    private let chunks: Int
    private let keep: Keep
    /// Rows at a time.
    private let height: Int
    /// The caller's arrays hold what lanes compute on.
    private let readsLanes: Bool
    private let writesLanes: Bool

    static func run(_ plan: Plan, _ begin: Int, _ end: Int, _ memory: UnsafeMutableRawPointer) -> Double {
        let rows = SoftmaxRows(plan, SoftmaxScratch(memory))
        rows.scratch.fillWindow()
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
        chunks = (classes &+ chunk &- 1) / chunk
        readsLanes = args.score_dtype == V.dtype
        writesLanes = plan.pointee.outDtype == V.dtype
        let others = args.hess != nil || args.probabilities != nil
        let room = SoftmaxScratch<V>.vectors &* V.count
        if args.grad != nil && args.accumulate == 0 && !others && writesLanes {
            keep = .gradient
            height = max(1, min(SoftmaxRows.tallest, 8192 / classes))  // all of a tile in the second cache
        } else if classes <= room {
            keep = .tile
            height = min(SoftmaxRows.tallest, room / classes)
        } else {
            keep = .nowhere
            height = 1
        }
    }

    private func tile(_ first: Int, _ count: Int, _ begin: Int, _ sums: inout SIMD8<Double>) {
        let stage = SampleStage(plan: plan, scratch: scratch, first: first, count: count)
        let samples = scratch.samples
        stage.begin()
        for c in 0..<chunks {
            findReferences(first, count, c)
            for r in 0..<count { addUp(Part(self, first, r, c), r) }
            samples.addChunk(count, isFirst: c == 0)
        }
        stage.finish(from: begin, &sums)
        for c in 0..<chunks {
            for r in 0..<count {
                samples.chunkShift[r] = scratch.shifts[r &* chunks &+ c]
                samples.chunkSteps[r] = scratch.steps[r &* chunks &+ c]
            }
            samples.scaleChunk(
                count, isWhole: chunks == 1 && plan.pointee.args.shard_total == 0, hasRatios: plan.pointee.args.hess != nil,
                largest: Double(V.Scalar.greatestFiniteMagnitude))
            write(.grad, first, count, c)
            write(.hess, first, count, c)
            write(.probabilities, first, count, c)
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

    @inline(__always) private func forEach(_ length: Int, of part: Part, _ body: (Int, Int) -> Void) {
        var offset = 0
        while offset < part.count {
            body(offset, min(length, part.count &- offset))
            offset &+= length
        }
    }

    /// Reads the scores of a chunk of every row for its reference, the maximum, and for that of its target.
    private func findReferences(_ first: Int, _ count: Int, _ c: Int) {
        let samples = scratch.samples, peaks = scratch.peaks
        let dtype = plan.pointee.args.score_dtype, scores = plan.pointee.args.scores.unsafelyUnwrapped
        let vectors = (count &+ V.count &- 1) / V.count
        V.fill(peaks, vectors &* V.count, with: 0)
        for r in 0..<count {
            let part = Part(self, first, r, c)
            peaks[r] = largest(part)
            if part.target >= 0 && part.target < part.count {
                samples.target[r] = scalar(dtype, scores + (part.element &+ part.target) &* size(of: dtype))
            }
        }
        scratch.setReferences(vectors)
        for r in 0..<count {
            scratch.shifts[r &* chunks &+ c] = samples.chunkShift[r]
            scratch.steps[r &* chunks &+ c] = samples.chunkSteps[r]
        }
    }

    /// Makes a chunk's exponentials and adds them up beside the target's.
    private func addUp(_ part: Part, _ r: Int) {
        let samples = scratch.samples, block = SoftmaxScratch<V>.block
        // What needs no room on its way goes many blocks at a time.
        let isDirect = readsLanes && part.kept != nil && samples.chunkShift[r] == 0
        var rest = 0.0, top = 0.0
        forEach(isDirect ? SoftmaxScratch<V>.blocks &* block : block, of: part) { offset, count in
            exponentiate(part, offset, count, r)
            for b in 0..<(count &+ block &- 1) / block {
                let sums = scratch.blockSums(b)
                let folded = V.fold(rest: V(loading: sums), top: V(loading: sums + V.count))
                rest += Double(folded.rest) + min(top, Double(folded.top))
                top = max(top, Double(folded.top))
            }
        }
        samples.chunkRest[r] = rest
        samples.chunkTop[r] = top
    }

    @inline(never) private func largest(_ part: Part) -> V.Scalar {
        var maximum = V(-Double.infinity)
        forEach(SoftmaxScratch<V>.block, of: part) { offset, count in
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

    /// Scores far from 0, less the shift that their exponentials are relative to.
    @inline(never) private func shifted(_ part: Part, _ offset: Int, _ count: Int, _ shift: V.Scalar) -> UnsafePointer<V.Scalar> {
        let z = scores(part, offset, count, again: true)
        var i = 0
        while i < count {
            Reference.shifted(V(loading: z + i, first: count &- i), V(shift)).store(to: scratch.out + i)
            i &+= V.count
        }
        return UnsafePointer(scratch.out)
    }

    /// Makes exponentials relative to their chunk's reference, and the sums of their blocks.
    @inline(never) private func exponentiate(_ part: Part, _ offset: Int, _ count: Int, _ r: Int) {
        let samples = scratch.samples, shift = samples.chunkShift[r], steps = samples.chunkSteps[r]
        let z = shift == 0 ? scores(part, offset, count, again: true) : shifted(part, offset, count, V.Scalar(shift))
        let kernels = plan.pointee.kernels
        let blocks = V.dtype == FOCAL_DTYPE_F64 ? kernels.double_blocks : kernels.float_blocks
        blocks.unsafelyUnwrapped(
            z, exponentials(part, offset), scratch.base, Int64(count), Int64(part.target &- offset),
            Int64(readsLanes && keep == .gradient ? height &* classes : 0), shift, steps)
    }

    // MARK: - Second pass

    /// One output of a chunk of every row.
    @inline(never) private func write(_ output: SoftmaxOutput, _ first: Int, _ count: Int, _ c: Int) {
        guard let base = output.pointer(plan.pointee.args) else { return }
        let writer = SoftmaxWriter(plan: plan, scratch: scratch)
        let isDirect = keep != .nowhere && writesLanes && !writer.adds(output)
        for r in 0..<count {
            let part = Part(self, first, r, c)
            if isDirect {
                let values = base.assumingMemoryBound(to: V.Scalar.self) + part.element
                fill(values, output, part.kept.unsafelyUnwrapped, part.count, part.target, r)
            } else {
                writeBlocks(output, writer, part, r)
            }
        }
    }

    private func writeBlocks(_ output: SoftmaxOutput, _ writer: SoftmaxWriter<V>, _ part: Part, _ r: Int) {
        forEach(SoftmaxScratch<V>.block, of: part) { offset, count in
            if keep == .nowhere { exponentiate(part, offset, count, r) }
            fill(scratch.row, output, exponentials(part, offset), count, part.target &- offset, r)
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

    /// One loop for all vectors, the last one too, which goes by way of the scratch: some formulas are long.
    @inline(__always) private func map<F: ClassFormula>(
        _ source: UnsafePointer<V.Scalar>, _ count: Int, to target: Array, _ formula: F
    ) where F.V == V {
        let rest = count & (V.count &- 1)
        var from = source, to = target, end = count &- rest
        var i = 0
        while true {
            while i < end {
                formula.value(V(loading: from + i)).store(to: to + i)
                i &+= V.count
            }
            if i >= count { break }
            V(loading: from + i, first: rest).store(to: scratch.room)
            from = UnsafePointer(scratch.room - i)
            to = scratch.room - i
            end = count
        }
        if rest > 0 { V(loading: scratch.room).store(to: target + (count &- rest), first: rest) }
    }
}
