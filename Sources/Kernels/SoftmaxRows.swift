import CKernels

/// Softmax over long rows, a class in every lane: some rows at a time, so that the term has vectors of samples.  The first pass
/// turns a row's scores into exponentials and adds them up, the second scales these into the outputs.
struct SoftmaxRows<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    /// Rows at a time: each step between the passes waits for the one before it, four vectors of samples wait once.
    private static var tallest: Int { 32 }
    /// Rows shorter than this are transposed instead.
    static var shortest: Int { 64 }

    /// Numbers that a part of the scratch holds.
    private static var room: Int { SoftmaxScratch<V>.vectors &* V.count }

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
    private let begin: Int
    private let end: Int
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
        let rows = SoftmaxRows(plan, begin, end, SoftmaxScratch(memory))
        rows.scratch.fillWindow()
        var sums = SIMD8<Double>()
        var isHopeful = rows.mayHope
        var first = begin
        while first < end {
            let count = min(rows.height, end &- first)
            rows.tile(first, count, &sums, &isHopeful)
            first &+= count
        }
        return Reduction.tree(sums)
    }

    private init(_ plan: Plan, _ begin: Int, _ end: Int, _ scratch: SoftmaxScratch<V>) {
        self.plan = plan
        self.scratch = scratch
        self.begin = begin
        self.end = end
        let args = plan.pointee.args
        classes = Int(args.classes)
        chunk = SoftmaxScratch<V>.chunk(of: classes)
        chunks = (classes &+ chunk &- 1) / chunk
        readsLanes = args.score_dtype == V.dtype
        writesLanes = plan.pointee.outDtype == V.dtype
        let others = args.hess != nil || args.probabilities != nil
        if args.grad != nil && args.accumulate == 0 && !others && writesLanes {
            keep = .gradient
            height = max(1, min(SoftmaxRows.tallest, 8192 / classes))  // all of a tile in the second cache
        } else if classes <= SoftmaxRows.room {
            keep = .tile
            height = min(SoftmaxRows.tallest, SoftmaxRows.room / classes)
        } else {
            keep = .nowhere
            height = 1
        }
    }

    private var isSharded: Bool { plan.pointee.args.shard_total > 0 }
    /// The exponentials stand where the scores stood.
    private var isInPlace: Bool { keep == .gradient && plan.pointee.args.scores == UnsafeRawPointer(plan.pointee.args.grad) }
    private var mayBeModerate: Bool { Moderate.exists(for: V.self, plan) }

    private func tile(_ first: Int, _ count: Int, _ sums: inout SIMD8<Double>, _ isHopeful: inout Bool) {
        let stage = SampleStage(plan: plan, scratch: scratch, first: first, count: count)
        let samples = scratch.samples
        stage.begin()
        let isModerate = addUp(first, count, &isHopeful)
        samples.addChunk(count, isFirst: true)
        stage.finish(from: begin, &sums)
        // Where all its parts are relative to the same a row is one part.
        let isWhole = !isSharded && (isModerate || chunks == 1)
        for c in 0..<(isWhole ? 1 : chunks) {
            if !isWhole { for r in 0..<count { samples.set(scratch.references[r &* chunks &+ c], r) } }
            samples.scaleChunk(count, plan, isWhole: isWhole, largest: Double(V.Scalar.greatestFiniteMagnitude))
            write(.grad, first, count, isWhole ? nil : c)
            write(.hess, first, count, isWhole ? nil : c)
            write(.probabilities, first, count, isWhole ? nil : c)
        }
    }

    /// A chunk of a row, or all of it.
    private struct Part {
        let row: Int  // in the tile
        let start: Int  // its first class
        let element: Int  // the same in the caller's arrays
        let count: Int
        let kept: Array?  // where its exponentials stay
        let reference: UnsafeMutablePointer<PartReference>
        /// Whether what follows it in the caller's arrays is not this range's.
        let isLast: Bool

        @inline(never) init(_ rows: SoftmaxRows, _ first: Int, _ r: Int, _ c: Int?) {
            row = r
            start = (c ?? 0) &* rows.chunk
            element = (first &+ r) &* rows.classes &+ start
            count = c == nil ? rows.classes : min(rows.chunk, rows.classes &- start)
            reference = rows.scratch.references + (r &* rows.chunks &+ (c ?? 0))
            isLast = first &+ r &+ 1 == rows.end
            switch rows.keep {
            case .gradient:
                kept = rows.plan.pointee.args.grad.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self) + element
            case .tile: kept = rows.scratch.tile + r &* rows.classes
            case .nowhere: kept = nil
            }
        }
    }

    // MARK: - First pass

    /// Makes the rows' exponentials and adds them up beside the targets'.  Returns whether all are moderate.
    private func addUp(_ first: Int, _ count: Int, _ isHopeful: inout Bool) -> Bool {
        let samples = scratch.samples
        var isModerate = true
        var r = 0
        while r < count {
            if mayBeModerate && isHopeful && isPlain {
                let most = isInPlace ? max(1, (SoftmaxRows.room &- V.count) / classes) : count
                let part = Part(self, first, r, nil), rows = min(count &- r, most)
                let done = runBlocks(part, 0, part.count, rows: rows, isLast: first &+ r &+ rows == end, mayFail: true)
                r &+= done
                if done == rows { continue }
                isHopeful = false
            }
            var sum = addUp(Part(self, first, r, 0), &isHopeful)
            for c in 1..<chunks { sum.add(addUp(Part(self, first, r, c), &isHopeful)) }
            isModerate = isModerate && sum.reference.isModerate
            samples.set(sum, r)
            r &+= 1
        }
        return isModerate
    }

    /// What needs no room on its way, or has it, goes to the inner loop as it lies, and where a row is one part all rows at once.
    private var isDirect: Bool { readsLanes && keep != .nowhere && !losesScores }
    private var isPlain: Bool { isDirect && chunks == 1 }
    /// Whether parts are taken for moderate until they prove not to be: not where their scores would be gone by then.
    private var mayHope: Bool { mayBeModerate && !losesScores }
    /// Exponentials replace scores, and those of a part have no room on their way.
    private var losesScores: Bool { isInPlace && chunk > SoftmaxRows.room }

    /// isHopeful: take the scores for moderate until they prove not to be.
    @inline(never) private func addUp(_ part: Part, _ isHopeful: inout Bool) -> PartSum {
        part.reference.pointee = .moderate
        if mayBeModerate && isHopeful {
            let (sum, isModerate) = addUp(part, mayFail: true)
            if isModerate { return sum }
        }
        part.reference.pointee = look(part)
        isHopeful = part.reference.pointee.isModerate && mayHope
        return addUp(part, mayFail: false).sum
    }

    /// Makes the exponentials of a part, relative to its reference, and their sum.
    private func addUp(_ part: Part, mayFail: Bool) -> (sum: PartSum, isModerate: Bool) {
        let samples = scratch.samples
        var sum = PartSum(reference: part.reference.pointee, rest: 0, top: 0), isModerate = true
        forEach(isDirect && sum.reference.isModerate ? part.count : SoftmaxScratch<V>.block, of: part) { offset, count in
            isModerate = exponentiate(part, offset, count, mayFail: mayFail) && isModerate
            sum.add(rest: samples.chunkRest[part.row], top: samples.chunkTop[part.row])
        }
        return (sum, isModerate)
    }

    @inline(__always) private func forEach(_ length: Int, of part: Part, _ body: (Int, Int) -> Void) {
        var offset = 0
        while offset < part.count {
            body(offset, min(length, part.count &- offset))
            offset &+= length
        }
    }

    /// What the scores of a part say that its exponentials are to be relative to.
    @inline(never) private func look(_ part: Part) -> PartReference {
        var highest = V(-Double.infinity), farthest = V.zero
        forEach(SoftmaxScratch<V>.block, of: part) { offset, count in
            let scores = read(part, offset, count)
            var i = 0
            while i < count {
                let z = V(loading: scores + i)
                highest = highest.atLeast(z)
                farthest = farthest.atLeast(sizeOf: z)
                i &+= V.count
            }
        }
        if mayBeModerate && Double(farthest.largest) <= Moderate.reach { return .moderate }
        let samples = scratch.samples, r = part.row
        V(highest.largest).store(to: scratch.peaks + r)
        V(Double.infinity).store(to: scratch.reaches + r)
        scratch.setReference(r, plan)
        return PartReference(shift: samples.chunkShift[r], steps: samples.chunkSteps[r], isModerate: false)
    }

    /// The scores of a block, where they lie if those are whole vectors of lanes; or as such in the scratch, with one of them for
    /// what the last vector has past the end.
    @discardableResult private func read(_ part: Part, _ offset: Int, _ count: Int) -> UnsafePointer<V.Scalar> {
        let dtype = plan.pointee.args.score_dtype
        let source = plan.pointee.args.scores.unsafelyUnwrapped + (part.element &+ offset) &* size(of: dtype)
        if readsLanes && count & (V.count &- 1) == 0 { return UnsafePointer(source.assumingMemoryBound(to: V.Scalar.self)) }
        V.read(dtype, source, count, into: scratch.out)
        var i = count
        while i & (V.count &- 1) != 0 {
            scratch.out[i] = scratch.out[0]
            i &+= 1
        }
        return UnsafePointer(scratch.out)
    }

    private func exponentials(_ part: Part, _ offset: Int) -> Array { part.kept.map { $0 + offset } ?? scratch.tile }

    /// Makes exponentials, and puts their sum among the samples.  False where scores that were to be moderate seem not to be.
    @inline(never) private func exponentiate(_ part: Part, _ offset: Int, _ count: Int, mayFail: Bool) -> Bool {
        if mayBeModerate && part.reference.pointee.isModerate {
            if !readsLanes { read(part, offset, count) }
            return runBlocks(part, offset, count, rows: 1, isLast: part.isLast, mayFail: mayFail) == 1
        }
        let samples = scratch.samples, target = Int(samples.label[part.row]) &- part.start &- offset
        let scores = read(part, offset, count), kept = exponentials(part, offset)
        let isWhole = count & (V.count &- 1) == 0, values = isWhole ? kept : scratch.out
        if target >= 0 && target < count { samples.target[part.row] = Double(scores[target]) }
        let reference = Reference(shift: V(part.reference.pointee.shift), steps: V(part.reference.pointee.steps))
        var sums = BlockSums<V>(scratch, count, beside: target)
        var i = 0
        while i < count {
            let e = reference.near(reference.shifted(V(loading: scores + i)))
            e.store(to: values + i)
            sums.add(e, at: i)
            i &+= V.count
        }
        let folded = sums.folded
        samples.chunkRest[part.row] = Double(folded.rest)
        samples.chunkTop[part.row] = Double(folded.top)
        if !isWhole { focal_copy(kept, scratch.out, count &* MemoryLayout<V.Scalar>.stride) }
        return true
    }

    /// The inner loop over the same classes of some rows, from a part on: their scores as they lie, or one's converted.  Those of
    /// a row that fails are needed again: exponentials that are to replace them come by way of the scratch.
    @inline(never) private func runBlocks(
        _ part: Part, _ offset: Int, _ count: Int, rows: Int, isLast: Bool, mayFail: Bool
    ) -> Int {
        let scores = plan.pointee.args.scores.unsafelyUnwrapped.assumingMemoryBound(to: V.Scalar.self)
        let exponentials = exponentials(part, offset)
        var job = focal_rows(
            scratch: scratch.base, scores: readsLanes ? scores + (part.element &+ offset) : UnsafePointer(scratch.out),
            exponentials: isInPlace ? scratch.out : exponentials, stride: Int64(classes), classes: Int64(count),
            start: Int64(part.start &+ offset), first: Int64(part.row), count: Int64(rows),
            is_last: isLast && (readsLanes || keep == .gradient) ? 1 : 0)
        let done = Int(plan.pointee.kernels.float_rows.unsafelyUnwrapped(&job))
        if isInPlace {
            focal_copy(exponentials, scratch.out, (mayFail ? done : rows) &* count &* MemoryLayout<V.Scalar>.stride)
        }
        return done
    }

    // MARK: - Second pass

    /// One output of a chunk of every row, or of whole rows.
    @inline(never) private func write(_ output: SoftmaxOutput, _ first: Int, _ count: Int, _ c: Int?) {
        guard let base = output.pointer(plan.pointee.args) else { return }
        let writer = SoftmaxWriter(plan: plan, scratch: scratch)
        let isDirect = keep != .nowhere && writesLanes && !writer.adds(output)
        if !isDirect {
            for r in 0..<count { writeBlocks(output, writer, Part(self, first, r, c), r) }
            return
        }
        let part = Part(self, first, 0, c)
        var values = base.assumingMemoryBound(to: V.Scalar.self) + part.element, kept = part.kept.unsafelyUnwrapped
        for r in 0..<count {
            fill(values, output, kept, part.count, part.start, r)
            values += classes
            kept += classes
        }
    }

    private func writeBlocks(_ output: SoftmaxOutput, _ writer: SoftmaxWriter<V>, _ part: Part, _ r: Int) {
        forEach(SoftmaxScratch<V>.block, of: part) { offset, count in
            if keep == .nowhere { _ = exponentiate(part, offset, count, mayFail: false) }
            fill(scratch.row, output, exponentials(part, offset), count, part.start &+ offset, r)
            writer.put(scratch.row, count, output, at: part.element &+ offset)
        }
    }

    /// Values of one output from the exponentials of its classes, in whose place they may stand.
    @inline(never) private func fill(
        _ values: Array, _ output: SoftmaxOutput, _ e: Array, _ count: Int, _ start: Int, _ r: Int
    ) {
        let samples = scratch.samples
        if plan.pointee.ignores && output.isSilenced && samples.live[r] == 0 { return V.fill(values, count, with: 0) }
        if let factor = output.factor(samples) {
            let factor = V.Scalar(factor[r]), lift: V.Scalar = output == .grad ? V.Scalar(samples.lift[r]) : 1
            let multiple = Multiple(factor: V(factor), lift: V(lift))
            var i = 0
            if count >= V.count {
                // The last vector overlaps the one before it, and is computed while that is still there.
                let last = multiple.value(V(loading: e + (count &- V.count)))
                while i &+ V.count <= count {
                    multiple.value(V(loading: e + i)).store(to: values + i)
                    i &+= V.count
                }
                last.store(to: values + (count &- V.count))
            } else {
                while i < count {
                    values[i] = factor * (lift * e[i])
                    i &+= 1
                }
            }
        } else {
            map(UnsafePointer(e), count, to: values, HessianFormula(plan, samples) { V($0[r]) })
        }
        let target = Int(samples.label[r]) &- start
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
