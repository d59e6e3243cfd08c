import CKernels

/// Softmax with a sample in every lane: planes of samples as they lie (inner > 1), or short rows, transposed on their way in
/// and out.  Two passes over the classes, in chunks of blocks; the exponentials of a single block are kept between them.
struct SoftmaxColumns<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    let plan: Plan
    let scratch: SoftmaxScratch<V>
    private let classes: Int
    private let inner: Int
    private let chunk: Int
    /// Vectors of samples side by side in a tile.
    private let width: Int

    static func run(_ plan: Plan, _ begin: Int, _ end: Int, _ memory: UnsafeMutableRawPointer) -> Double {
        let columns = SoftmaxColumns(plan, SoftmaxScratch(memory))
        var sums = SIMD8<Double>()
        var first = begin
        while first < end {
            let count = columns.tileCount(first, end)
            columns.tile(first, count, begin, &sums)
            first &+= count
        }
        return Reduction.tree(sums)
    }

    private init(_ plan: Plan, _ scratch: SoftmaxScratch<V>) {
        self.plan = plan
        self.scratch = scratch
        classes = Int(plan.pointee.args.classes)
        inner = Int(plan.pointee.args.inner)
        chunk = SoftmaxScratch<V>.chunk(of: classes)
        width = max(1, min(4, SoftmaxScratch<V>.vectors / classes))
    }

    private var stride: Int { width &* V.count }
    private var isTransposed: Bool { inner == 1 }
    private var block: Int { SoftmaxScratch<V>.block }
    /// One block: what is read once is still there whenever it is needed.
    private var isKept: Bool { classes <= block }
    /// So few classes that no row of them is long, whose sums theirs would have to be.
    private var isFew: Bool { V.dtype == FOCAL_DTYPE_F32 && classes <= SoftmaxRows<V>.shortest }
    private var isSharded: Bool { plan.pointee.args.shard_total > 0 }
    private var mayBeModerate: Bool { Moderate.exists(for: V.self, plan) }

    /// Samples of the tile that starts at `first`: of one plane only, where they lie in planes.
    private func tileCount(_ first: Int, _ end: Int) -> Int {
        let room = min(stride, end &- first)
        return isTransposed ? room : min(room, inner &- first % inner)
    }

    private func tile(_ first: Int, _ count: Int, _ begin: Int, _ sums: inout SIMD8<Double>) {
        let stage = SampleStage(plan: plan, scratch: scratch, first: first, count: count)
        let tile = Tile(
            first: first, count: count, vectors: (count &+ V.count &- 1) / V.count,
            element: (first / inner) &* classes &* inner &+ first % inner)
        let samples = scratch.samples
        stage.begin()
        if isFew {
            addUpFew(tile)
        } else {
            forEach(chunk, of: 0..<classes) { chunk in
                let plane = findReferences(chunk, tile)
                forEach(block, of: chunk) { block in
                    exponentiate(isKept ? plane : scores(block, tile), block, tile)
                    for w in 0..<tile.vectors { addUp(block, w, isFirst: block.lowerBound == chunk.lowerBound) }
                }
                samples.addChunk(count, isFirst: chunk.lowerBound == 0)
            }
        }
        stage.finish(from: begin, &sums)
        forEach(chunk, of: 0..<classes) { chunk in
            if chunk.count < classes { _ = findReferences(chunk, tile) }
            samples.scaleChunk(
                count, plan, isWhole: isFew && !isSharded, largest: Double(V.Scalar.greatestFiniteMagnitude))
            forEach(block, of: chunk) { block in
                if !isKept { exponentiate(scores(block, tile), block, tile) }
                write(.grad, block, tile)
                write(.hess, block, tile)
                write(.probabilities, block, tile)
            }
        }
    }

    private struct Tile {
        let first: Int
        let count: Int
        let vectors: Int
        let element: Int  // class 0 of the first sample
    }

    /// Scores of a block, a line of samples for each class.
    private struct Lines {
        let base: UnsafePointer<V.Scalar>
        let stride: Int
    }

    @inline(__always) private func forEach(_ length: Int, of classes: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = classes.lowerBound
        while start < classes.upperBound {
            let end = min(start &+ length, classes.upperBound)
            body(Range(uncheckedBounds: (start, end)))
            start = end
        }
    }

    /// The element of a class of the tile's first sample.
    @inline(__always) private func element(_ klass: Int, _ tile: Tile) -> Int { tile.element &+ klass &* inner }

    /// Whole vectors of the lanes' type are computed where they lie.
    private func isDirect(_ dtype: Int32, _ tile: Tile) -> Bool { dtype == V.dtype && tile.count & (V.count &- 1) == 0 }

    // MARK: - In

    @inline(never) private func scores(_ block: Range<Int>, _ tile: Tile) -> Lines {
        let dtype = plan.pointee.args.score_dtype
        let first = plan.pointee.args.scores.unsafelyUnwrapped + element(block.lowerBound, tile) &* size(of: dtype)
        if isTransposed {
            transpose(in: first, dtype, tile)
        } else if isDirect(dtype, tile) {
            return Lines(base: UnsafePointer(first.assumingMemoryBound(to: V.Scalar.self)), stride: inner)
        } else {
            for k in 0..<block.count {
                V.read(dtype, first + k &* inner &* size(of: dtype), tile.count, into: scratch.tile + k &* stride)
            }
        }
        return Lines(base: UnsafePointer(scratch.tile), stride: stride)
    }

    /// Rows of the next tile: the hardware's prefetcher stops at every page.
    @inline(__always) private func prefetch(_ rows: UnsafeRawPointer, _ bytes: Int) {
        var i = 0
        while i < bytes {
            focal_prefetch(rows + i)
            i &+= 64
        }
    }

    /// Whole rows, a vector of samples at a time; idle lanes get zeros.
    private func transpose(in rows: UnsafeRawPointer, _ dtype: Int32, _ tile: Tile) {
        for w in 0..<tile.vectors {
            let first = w &* V.count, count = min(V.count, tile.count &- first)
            let bytes = V.count &* classes &* size(of: dtype), source = rows + w &* bytes
            prefetch(source + width &* bytes, bytes)
            var matrix = UnsafePointer(source.assumingMemoryBound(to: V.Scalar.self))
            if dtype != V.dtype || count < V.count {
                V.read(dtype, source, count &* classes, into: scratch.out)
                for i in (count &* classes)..<(V.count &* classes) { scratch.out[i] = 0 }
                matrix = UnsafePointer(scratch.out)
            }
            V.transpose(matrix, classes, rows: V.count, columns: classes, to: scratch.tile + first, stride)
        }
    }

    // MARK: - First pass

    /// Reads a chunk's scores for its references, the maxima, and for the scores of its targets.
    @inline(never) private func findReferences(_ chunk: Range<Int>, _ tile: Tile) -> Lines {
        let peaks = scratch.peaks, reaches = scratch.reaches
        var lines = Lines(base: UnsafePointer(scratch.tile), stride: stride)
        V.fill(peaks, stride, with: -V.Scalar.infinity)
        V.fill(reaches, stride, with: 0)
        forEach(block, of: chunk) { block in
            lines = scores(block, tile)
            for w in 0..<tile.vectors { raise(lines, w, block.count) }
            findTargets(lines, block, tile)
        }
        for w in 0..<tile.vectors { scratch.setReference(w &* V.count, plan) }
        return lines
    }

    private func findTargets(_ lines: Lines, _ block: Range<Int>, _ tile: Tile) {
        let samples = scratch.samples
        for i in 0..<tile.count {
            let k = Int(samples.label[i]) &- block.lowerBound
            guard UInt(bitPattern: k) < UInt(bitPattern: block.count) else { continue }
            samples.target[i] = Double(lines.base[k &* lines.stride &+ i])
        }
    }

    private func raise(_ lines: Lines, _ w: Int, _ length: Int) {
        let lane = w &* V.count
        var maximum = V(loading: scratch.peaks + lane), farthest = V(loading: scratch.reaches + lane)
        for k in 0..<length {
            let scores = lines.base + (k &* lines.stride &+ lane), z = V(loading: scores)
            focal_prefetch(scores + 2 &* stride)  // as in SoftmaxFew
            maximum = V.select(maximum < z, z, maximum)
            if mayBeModerate { farthest = farthest.atLeast(sizeOf: z) }
        }
        maximum.store(to: scratch.peaks + lane)
        farthest.store(to: scratch.reaches + lane)
    }

    /// Turns a block's scores into exponentials relative to its chunk's maxima.
    private func exponentiate(_ lines: Lines, _ block: Range<Int>, _ tile: Tile) {
        for w in 0..<tile.vectors { exponentiate(lines, w, block.count) }
    }

    @inline(never) private func exponentiate(_ lines: Lines, _ w: Int, _ length: Int) {
        let samples = scratch.samples
        var from = lines.base + w &* V.count, step = lines.stride
        let to = scratch.tile + w &* V.count
        let reference = Reference(
            shift: V(narrowing: samples.chunkShift + w &* V.count), steps: V(narrowing: samples.chunkSteps + w &* V.count))
        if reference.isFar {
            for k in 0..<length { reference.shifted(V(loading: from + k &* step)).store(to: to + k &* stride) }
            from = UnsafePointer(to)
            step = stride
        }
        for k in 0..<length { reference.near(V(loading: from + k &* step)).store(to: to + k &* stride) }
    }

    // MARK: - First pass over few classes

    /// All classes of a tile at once.  Scores that transposing brought are gone where the exponentials stand.
    @inline(never) private func addUpFew(_ tile: Tile) {
        let lines = scores(0..<classes, tile)
        findTargets(lines, 0..<classes, tile)
        var isModerate = mayBeModerate
        func few(_ w: Int) -> SoftmaxFew<V> {
            SoftmaxFew(scratch: scratch, classes: classes, stride: stride, lane: w &* V.count)
        }
        for w in 0..<tile.vectors where isModerate { isModerate = few(w).run(lines.base + w &* V.count, lines.stride) }
        // The exponentials of any samples: where one is moderate they come out the same, whatever stands beside it.
        if !isModerate {
            exponentiate(findReferences(0..<classes, tile), 0..<classes, tile)
            for w in 0..<tile.vectors { _ = few(w).run(nil, 0) }
        }
        scratch.samples.addChunk(tile.count, isFirst: true)
    }

    /// Adds up a block's exponentials beside the target's, a slot for each of a row's 16 sums.
    @inline(never) private func addUp(_ block: Range<Int>, _ w: Int, isFirst: Bool) {
        let column = scratch.tile + w &* V.count, start = block.lowerBound, length = block.count
        let label = V(narrowing: scratch.samples.label + w &* V.count)
        // Of each its largest, and the sum of its others behind.
        let slots = SoftmaxScratch<V>.sums
        let tops = scratch.slots, rests = scratch.slots + slots &* V.count
        for k in 0..<length {
            let e = V.select(label == V(Double(start &+ k)), V.zero, V(loading: column + k &* stride))
            let slot = (k & (slots &- 1)) &* V.count
            if k < slots {
                e.store(to: tops + slot)
                V.zero.store(to: rests + slot)
            } else {
                add(rest: V.zero, top: e, to: slot, tops, rests)
            }
        }
        // The fold of a row's sums: the upper half onto the lower, and again.
        var used = min(length, slots), half = slots / 2
        while half > 0 {
            for j in half..<max(half, used) {
                let (rest, top) = (V(loading: rests + j &* V.count), V(loading: tops + j &* V.count))
                add(rest: rest, top: top, to: (j &- half) &* V.count, tops, rests)
            }
            used = min(used, half)
            half /= 2
        }
        scratch.addBlock(rest: V(loading: rests), top: V(loading: tops), w &* V.count, isFirst: isFirst)
    }

    @inline(__always) private func add(rest: V, top: V, to slot: Int, _ tops: Array, _ rests: Array) {
        var sums = Extremes(top: V(loading: tops + slot), rest: V(loading: rests + slot))
        sums.add(rest: rest, top: top)
        sums.rest.store(to: rests + slot)
        sums.top.store(to: tops + slot)
    }

    // MARK: - Second pass

    @inline(never) private func write(_ output: SoftmaxOutput, _ block: Range<Int>, _ tile: Tile) {
        guard let base = output.pointer(plan.pointee.args) else { return }
        let writer = SoftmaxWriter(plan: plan, scratch: scratch)
        let isDirect = isDirect(plan.pointee.outDtype, tile) && !writer.adds(output)
        let target = base.assumingMemoryBound(to: V.Scalar.self) + element(block.lowerBound, tile)
        if isTransposed {
            // Half of the room for a vector of samples, half for the rows it turns into.
            let rows = scratch.out + SoftmaxScratch<V>.vectors / 2 &* V.count
            for w in 0..<tile.vectors {
                let first = w &* V.count, count = min(V.count, tile.count &- first)
                compute(output, block, w, to: scratch.out, V.count)
                let place = isDirect ? target + first &* classes : rows
                if isDirect { prefetch(place + stride &* classes, V.count &* classes &* MemoryLayout<V.Scalar>.stride) }
                V.transpose(scratch.out, V.count, rows: classes, columns: V.count, to: place, classes)
                if !isDirect { writer.put(rows, count &* classes, output, at: (tile.first &+ first) &* classes) }
            }
        } else if isDirect {
            for w in 0..<tile.vectors { compute(output, block, w, to: target + w &* V.count, inner) }
        } else {
            for w in 0..<tile.vectors { compute(output, block, w, to: scratch.out + w &* V.count, stride) }
            for k in 0..<block.count {
                writer.put(scratch.out + k &* stride, tile.count, output, at: element(block.lowerBound &+ k, tile))
            }
        }
    }

    private func compute(_ output: SoftmaxOutput, _ block: Range<Int>, _ w: Int, to values: Array, _ step: Int) {
        let samples = scratch.samples, lane = w &* V.count
        let column = SoftmaxColumn(scratch: scratch, classes: block, stride: stride, lane: lane)
        let target = V(narrowing: output.target(samples) + lane), silences = plan.pointee.ignores && output.isSilenced
        if let factor = output.factor(samples) {
            let multiple = Multiple(
                factor: V(narrowing: factor + lane), lift: output == .grad ? V(narrowing: samples.lift + lane) : V.one)
            column.write(values, step, multiple, target, silences: silences)
        } else {
            column.write(values, step, HessianFormula(plan, samples) { V(narrowing: $0 + lane) }, target, silences: silences)
        }
    }
}
