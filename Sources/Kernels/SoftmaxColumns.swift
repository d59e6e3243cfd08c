import CKernels

/// Softmax with a sample in every lane: planes of samples as they lie (inner > 1), or short rows, transposed on their way in
/// and out.  Two passes over the classes, in chunks; the exponentials of a single chunk are kept between them.
struct SoftmaxColumns<V: Lanes> {
    typealias Array = UnsafeMutablePointer<V.Scalar>

    let plan: Plan
    let scratch: SoftmaxScratch<V>
    private let classes: Int
    private let inner: Int
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
        width = max(1, min(4, SoftmaxScratch<V>.vectors / classes))
    }

    private var stride: Int { width &* V.count }
    private var isTransposed: Bool { inner == 1 }
    private var chunk: Int { SoftmaxScratch<V>.chunk }
    /// One chunk: what the first pass made is still there in the second.
    private var isKept: Bool { classes <= chunk }

    /// Samples of the tile that starts at `first`: of one plane only, where they lie in planes.
    private func tileCount(_ first: Int, _ end: Int) -> Int {
        let room = min(stride, end &- first)
        return isTransposed ? room : min(room, inner &- first % inner)
    }

    private func tile(_ first: Int, _ count: Int, _ begin: Int, _ sums: inout SIMD8<Double>) {
        let stage = SampleStage(plan: plan, scratch: scratch, first: first, count: count)
        let tile = Tile(first: first, count: count, vectors: (count &+ V.count &- 1) / V.count)
        stage.begin()
        forEachChunk { start, length in
            load(start, length, tile)
            exponentials(start, length, tile, sums: true)
        }
        stage.finish(from: begin, &sums)
        forEachChunk { start, length in
            if !isKept {
                load(start, length, tile)
                exponentials(start, length, tile, sums: false)
            }
            scratch.samples.scaleChunk(count, largest: Double(V.Scalar.greatestFiniteMagnitude))
            write(.grad, start, length, tile)
            write(.hess, start, length, tile)
            write(.probabilities, start, length, tile)
        }
    }

    private struct Tile {
        let first: Int
        let count: Int
        let vectors: Int
    }

    @inline(__always) private func forEachChunk(_ body: (Int, Int) -> Void) {
        var start = 0
        while start < classes {
            body(start, min(chunk, classes &- start))
            start &+= chunk
        }
    }

    /// The element of a class of the tile's first sample.
    @inline(__always) private func element(_ klass: Int, _ tile: Tile) -> Int {
        ((tile.first / inner) &* classes &+ klass) &* inner &+ tile.first % inner
    }

    // MARK: - In

    @inline(never) private func load(_ start: Int, _ length: Int, _ tile: Tile) {
        let dtype = plan.pointee.args.score_dtype
        let scores = plan.pointee.args.scores.unsafelyUnwrapped
        if isTransposed { return transpose(in: scores + tile.first &* classes &* size(of: dtype), dtype, tile) }
        for k in 0..<length {
            V.read(dtype, scores + element(start &+ k, tile) &* size(of: dtype), tile.count, into: scratch.tile + k &* stride)
        }
    }

    /// Rows of a whole chunk, a vector of samples at a time; idle lanes get zeros.
    private func transpose(in rows: UnsafeRawPointer, _ dtype: Int32, _ tile: Tile) {
        for w in 0..<tile.vectors {
            let first = w &* V.count, count = min(V.count, tile.count &- first)
            let source = rows + first &* classes &* size(of: dtype)
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

    /// Turns the chunk's scores into exponentials relative to its own maxima and, in the first pass, adds up those beside the
    /// target.
    @inline(never) private func exponentials(_ start: Int, _ length: Int, _ tile: Tile, sums: Bool) {
        for w in 0..<tile.vectors {
            let column = scratch.tile + w &* V.count
            var maximum = V(-Double.infinity)
            for k in 0..<length {
                let z = V(loading: column + k &* stride)
                maximum = V.select(maximum < z, z, maximum)
            }
            let reference = Reference(maximum: maximum)
            if reference.isFar {
                for k in 0..<length { reference.far(V(loading: column + k &* stride)).store(to: column + k &* stride) }
            } else {
                for k in 0..<length { reference.near(V(loading: column + k &* stride)).store(to: column + k &* stride) }
            }
            let samples = scratch.samples
            reference.shift.widen(to: samples.chunkShift + w &* V.count)
            reference.steps.widen(to: samples.chunkSteps + w &* V.count)
            if sums { addChunk(column, start, length, w) }
        }
    }

    @inline(never) private func addChunk(_ column: Array, _ start: Int, _ length: Int, _ w: Int) {
        let label = V(narrowing: scratch.samples.label + w &* V.count)
        // A slot for each of a row's 16 sums: its largest, and the sum of its others behind.
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
        let samples = scratch.samples
        V(loading: tops).widen(to: samples.chunkTop)
        V(loading: rests).widen(to: samples.chunkRest)
        var i = 0
        while i < V.count {
            samples.add(
                rest: Doubles(loading: samples.chunkRest + i), top: Doubles(loading: samples.chunkTop + i), w &* V.count &+ i,
                isFirst: start == 0)
            i &+= Doubles.count
        }
    }

    @inline(__always) private func add(rest: V, top: V, to slot: Int, _ tops: Array, _ rests: Array) {
        var sums = Extremes(top: V(loading: tops + slot), rest: V(loading: rests + slot))
        sums.add(rest: rest, top: top)
        sums.rest.store(to: rests + slot)
        sums.top.store(to: tops + slot)
    }

    // MARK: - Second pass

    @inline(never) private func write(_ output: SoftmaxOutput, _ start: Int, _ length: Int, _ tile: Tile) {
        guard output.pointer(plan.pointee.args) != nil else { return }
        let writer = SoftmaxWriter(plan: plan, scratch: scratch)
        if isTransposed {
            // Half of the room for a vector of samples, half for the rows it turns into.
            let rows = scratch.out + SoftmaxScratch<V>.vectors / 2 &* V.count
            for w in 0..<tile.vectors {
                let first = w &* V.count, count = min(V.count, tile.count &- first)
                compute(output, start, length, w, to: scratch.out, V.count)
                V.transpose(scratch.out, V.count, rows: classes, columns: V.count, to: rows, classes)
                writer.put(rows, count &* classes, output, at: (tile.first &+ first) &* classes)
            }
        } else {
            for w in 0..<tile.vectors { compute(output, start, length, w, to: scratch.out + w &* V.count, stride) }
            for k in 0..<length { writer.put(scratch.out + k &* stride, tile.count, output, at: element(start &+ k, tile)) }
        }
    }

    private func compute(_ output: SoftmaxOutput, _ start: Int, _ length: Int, _ w: Int, to values: Array, _ step: Int) {
        let samples = scratch.samples, lane = w &* V.count
        let formula = ClassFormula<V>(plan, samples) { V(narrowing: $0 + lane) }
        let label = V(narrowing: samples.label + lane), target = V(narrowing: output.target(samples) + lane)
        let live = V(narrowing: samples.live + lane)
        let silences = plan.pointee.ignores && output.isSilenced
        for k in 0..<length {
            var value = formula.value(output, V(loading: scratch.tile + (k &* stride &+ lane)))
            value = V.select(label == V(Double(start &+ k)), target, value)
            if silences { value = V.select(live == V.zero, V.zero, value) }
            value.store(to: values + k &* step)
        }
    }
}
