import CSystem

/// Threads that help the caller.
///
/// A job is a counter of indices on its caller's stack.  The caller works on it too and takes what idle workers leave; when
/// the counter is spent it withdraws the job and waits only for workers that have joined.  So no call ever waits for a
/// thread that has not started, concurrent callers share the workers, and a pool without any still finishes.  Idle workers
/// sleep on a condition variable.
enum Pool {
    typealias Task = @convention(c) (UnsafeMutableRawPointer?, Int64, UnsafeMutableRawPointer?) -> Void

    static let largest: Int32 = 256

    private static var state: UnsafeMutablePointer<focal_pool> { focal_pool_state().unsafelyUnwrapped }

    /// Runs task(context, i, frame) for i in 0..<count with up to `threads` threads, the caller among them.
    static func run(
        _ count: Int64, threads: Int32, _ context: UnsafeMutableRawPointer, _ frame: UnsafeMutableRawPointer,
        _ task: @escaping Task
    ) {
        guard threads > 1, count > 1 else {
            var index: Int64 = 0
            while index < count {
                task(context, index, frame)
                index &+= 1
            }
            return
        }
        let helpers = min(Int64(min(threads, largest)), count) &- 1
        var job = focal_job(
            task: task, context: context, count: count, next: 0, wanted: Int32(helpers), working: 0, following: nil)
        withUnsafeMutablePointer(to: &job) { job in
            publish(job)
            work(job, frame)
            withdraw(job)
        }
    }

    private static func work(_ job: UnsafeMutablePointer<focal_job>, _ frame: UnsafeMutableRawPointer?) {
        while true {
            let index = focal_claim(job)
            if index >= job.pointee.count { return }
            job.pointee.task(job.pointee.context, index, frame)
        }
    }

    private static func publish(_ job: UnsafeMutablePointer<focal_job>) {
        pthread_mutex_lock(&state.pointee.mutex)
        start(job.pointee.wanted)
        job.pointee.following = state.pointee.jobs
        state.pointee.jobs = job
        pthread_cond_broadcast(&state.pointee.work)
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    private static func withdraw(_ job: UnsafeMutablePointer<focal_job>) {
        pthread_mutex_lock(&state.pointee.mutex)
        remove(job)
        while focal_is_busy(job) != 0 { pthread_cond_wait(&state.pointee.left, &state.pointee.mutex) }
        pthread_mutex_unlock(&state.pointee.mutex)
    }

    private static func remove(_ job: UnsafeMutablePointer<focal_job>) {
        if state.pointee.jobs == job {
            state.pointee.jobs = job.pointee.following
            return
        }
        var other = state.pointee.jobs
        while let current = other, current.pointee.following != job { other = current.pointee.following }
        other?.pointee.following = job.pointee.following
    }

    /// Brings the pool to at least `wanted` workers, or as many as the system gives.
    private static func start(_ wanted: Int32) {
        if state.pointee.guarded == 0 {
            guard focal_guard_fork() == 0 else { return }
            state.pointee.guarded = 1
        }
        while state.pointee.workers < wanted {
            guard focal_start_thread({ _ in Pool.workerMain() }) == 0 else { return }
            state.pointee.workers &+= 1
        }
    }

    private static func workerMain() -> UnsafeMutableRawPointer? {
        _ = focal_fp_enter()
        focal_with_frame({ _, frame in Pool.serve(frame) }, nil)
        return nil
    }

    /// A worker's life: sleep until a job wants it, join, work, leave.
    private static func serve(_ frame: UnsafeMutableRawPointer?) {
        pthread_mutex_lock(&state.pointee.mutex)
        while true {
            guard let job = wantingJob else {
                pthread_cond_wait(&state.pointee.work, &state.pointee.mutex)
                continue
            }
            focal_join(job)
            pthread_mutex_unlock(&state.pointee.mutex)
            work(job, frame)
            pthread_mutex_lock(&state.pointee.mutex)
            if focal_leave(job) != 0 { pthread_cond_broadcast(&state.pointee.left) }
        }
    }

    private static var wantingJob: UnsafeMutablePointer<focal_job>? {
        var job = state.pointee.jobs
        while let current = job, focal_wants(current) == 0 {
            job = current.pointee.following
        }
        return job
    }
}
