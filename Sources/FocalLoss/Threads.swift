import CFocalLoss
import CSystem
import Synchronization

/// How many threads a call may use: its own number, the program's, the environment's, then the CPUs this process has.
enum Threads {
    private static let setting = Atomic<Int32>(0)
    private static let found = Atomic<Int32>(0)

    static func set(_ threads: Int32) { setting.store(threads, ordering: .relaxed) }

    static func count(_ requested: Int32) -> Int32 {
        if requested > 0 { return requested }
        let set = setting.load(ordering: .relaxed)
        if set > 0 { return set }
        var count = found.load(ordering: .relaxed)
        if count == 0 {
            count = fromEnvironment("FOCALLOSS_NUM_THREADS") ?? fromEnvironment("OMP_NUM_THREADS") ?? available
            found.store(count, ordering: .relaxed)
        }
        return count
    }

    /// The leading positive number of a variable: OMP_NUM_THREADS may be a list.
    private static func fromEnvironment(_ name: StaticString) -> Int32? {
        guard let text = getenv(name.c) else { return nil }
        let value = strtol(text, nil, 10)
        return value > 0 ? Int32(min(value, 1 << 20)) : nil
    }

    private static var available: Int32 { max(1, min(focal_affinity_count(), focal_cgroup_count())) }
}
