import CFocalLoss
import CKernels
import CSystem

/// A range of units cut into chunks, the same for every number of threads: the bits of a sum depend on where it is cut.
struct Chunks {
    let units: Int64
    let size: Int64
    let count: Int64

    /// At most `most` chunks, each a multiple of `smallest` units.
    init(units: Int64, smallest: Int64, most: Int64) {
        self.units = units
        let even = (units &+ most &- 1) / most
        size = max(1, (even &+ smallest &- 1) / smallest) &* smallest
        count = (units &+ size &- 1) / size
    }

    func range(_ index: Int64) -> (begin: Int64, end: Int64) {
        let begin = index &* size
        return (begin, units &- begin < size ? units : begin &+ size)
    }
}

/// One call on its way: survey, plan, compute in chunks, reduce.  It lives in the frame of `focal_with_frame`.
struct Run {
    typealias Compute = @convention(c) (In<focal_plan>, Int64, Int64, UnsafeMutableRawPointer?) -> Double
    typealias Examine = @convention(c) (In<focal_plan>, Int64, Int64, Out<focal_survey>) -> Void

    private let plan: UnsafePointer<focal_plan>
    private let frame: UnsafeMutableRawPointer

    init(_ plan: UnsafePointer<focal_plan>, _ frame: UnsafeMutableRawPointer) {
        self.plan = plan
        self.frame = frame
    }

    /// What a task needs to find its part.
    private struct Context {
        let plan: UnsafePointer<focal_plan>
        let chunks: Chunks
        let compute: Compute?
        let examine: Examine?
        /// After the kernel's scratch in the caller's frame: one result a chunk.
        let results: UnsafeMutableRawPointer
    }

    /// The sum of the losses of all units.  What is one chunk, as in a small call, is its kernel and nothing else.
    @inline(__always) func compute(_ kernel: @escaping Compute, _ work: Work) -> Double {
        work.isOneChunk ? kernel(plan, 0, work.units, frame) : computeChunks(kernel, work)
    }

    private func computeChunks(_ kernel: @escaping Compute, _ work: Work) -> Double {
        let chunks = Chunks(units: work.units, smallest: work.smallestChunk, most: 512)
        let context = Context(plan: plan, chunks: chunks, compute: kernel, examine: nil, results: results)
        run(context, isLarge: work.isLarge) { context, index, frame in
            let context = context.unsafelyUnwrapped.assumingMemoryBound(to: Context.self)
            let range = context.pointee.chunks.range(index)
            let sum = context.pointee.compute.unsafelyUnwrapped(context.pointee.plan, range.begin, range.end, frame)
            context.pointee.results.storeBytes(of: sum, toByteOffset: Int(index) &* 8, as: Double.self)
        }
        return Run.tree(results.assumingMemoryBound(to: Double.self), Int(chunks.count))
    }

    /// What the targets hold.
    @inline(__always) func examine(_ kernel: @escaping Examine, _ work: Work) -> focal_survey {
        guard work.isOneChunk else { return examineChunks(kernel, work) }
        var all = focal_survey()
        kernel(plan, 0, work.units, &all)
        return all
    }

    private func examineChunks(_ kernel: @escaping Examine, _ work: Work) -> focal_survey {
        let chunks = Chunks(units: work.units, smallest: work.smallestChunk, most: 64)
        let context = Context(plan: plan, chunks: chunks, compute: nil, examine: kernel, results: results)
        run(context, isLarge: work.isLarge) { context, index, _ in
            let context = context.unsafelyUnwrapped.assumingMemoryBound(to: Context.self)
            let range = context.pointee.chunks.range(index)
            let parts = context.pointee.results.assumingMemoryBound(to: focal_survey.self)
            context.pointee.examine.unsafelyUnwrapped(context.pointee.plan, range.begin, range.end, parts + Int(index))
        }
        return Run.join(results.assumingMemoryBound(to: focal_survey.self), Int(chunks.count))
    }

    private var results: UnsafeMutableRawPointer { frame + Int(FOCAL_SCRATCH) }

    private func run(_ context: Context, isLarge: Bool, _ task: @escaping Pool.Task) {
        var context = context
        let count = context.chunks.count
        withUnsafeMutablePointer(to: &context) { context in
            if let parallelFor = plan.pointee.args.parallel_for, count > 1 {
                var errand = Errand(task: task, context: context)
                parallelFor(plan.pointee.args.parallel_context, count, Errand.run, &errand)
            } else {
                Pool.run(count, threads: isLarge ? Threads.count(plan.pointee.args.threads) : 1, context, frame, task)
            }
        }
    }

    /// A task on a thread of the caller's own parallel-for: it brings its frame and its floating-point environment.
    private struct Errand {
        let task: Pool.Task
        let context: UnsafeMutableRawPointer
        var index: Int64 = 0

        static let run: @convention(c) (UnsafeMutableRawPointer?, Int64) -> Void = { errand, index in
            var errand = errand.unsafelyUnwrapped.assumingMemoryBound(to: Errand.self).pointee
            errand.index = index
            let saved = focal_fp_enter()
            focal_with_frame(
                { errand, frame in
                    let errand = errand.unsafelyUnwrapped.assumingMemoryBound(to: Errand.self)
                    errand.pointee.task(errand.pointee.context, errand.pointee.index, frame)
                }, &errand)
            focal_fp_leave(saved)
        }
    }

    /// A fixed tree: halves, down to single values.
    private static func tree(_ values: UnsafeMutablePointer<Double>, _ count: Int) -> Double {
        if count == 0 { return 0 }
        if count == 1 { return values[0] }
        let half = count / 2
        return tree(values, half) + tree(values + half, count &- half)
    }

    private static func join(_ parts: UnsafeMutablePointer<focal_survey>, _ count: Int) -> focal_survey {
        var all = parts[0]
        for i in 1..<count {
            all.valid += parts[i].valid
            all.weights += parts[i].weights
            all.positives += parts[i].positives
            all.soft |= parts[i].soft
            if all.bad_index < 0 { all.bad_index = parts[i].bad_index }
        }
        return all
    }
}

/// What there is to do: the smallest chunk worth its own turn, and whether threads pay.
struct Work {
    let units: Int64
    let smallestChunk: Int64
    let isLarge: Bool
    var isOneChunk: Bool { units > 0 && units <= smallestChunk }
}
