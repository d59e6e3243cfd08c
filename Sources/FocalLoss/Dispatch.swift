import CFocalLoss
import CKernels
import CSystem
import Synchronization

/// Which instruction set computes: the highest the CPU and the operating system offer, but for small calls, unless
/// FOCALLOSS_ISA or focal_set_isa names one.  Chosen once.
enum Dispatch {
    /// Lowest first.
    enum Level: Int32 {
        #if arch(x86_64)
            case v1, v3, v4
        #else
            case neon
        #endif

        var name: StaticString {
            switch self {
            #if arch(x86_64)
                case .v1: "x86-64"
                case .v3: "x86-64-v3"
                case .v4: "x86-64-v4"
            #else
                case .neon: "neon"
            #endif
            }
        }

        /// The names up to this level, lowest first.
        var upToHere: StaticString {
            switch self {
            #if arch(x86_64)
                case .v1: "x86-64"
                case .v3: "x86-64,x86-64-v3"
                case .v4: "x86-64,x86-64-v3,x86-64-v4"
            #else
                case .neon: "neon"
            #endif
            }
        }

        /// Each level up to this one puts in what it does better than those below.
        func fill(_ table: UnsafeMutablePointer<focal_kernels>) {
            #if arch(x86_64)
                focal_kernels_x86_64(table)
                if self != .v1 { focal_kernels_x86_64_v3(table) }
                if self == .v4 { focal_kernels_x86_64_v4(table) }
            #else
                focal_kernels_neon(table)
            #endif
        }
    }

    private static let unset: Int32 = -1
    private static let absent: Int32 = -2
    private static let automatic: Int32 = -3
    /// One of these, or the number of the level that was named.
    private static let choice = Atomic<Int32>(-1)
    private static let found = Atomic<Int32>(-1)

    /// The highest level that runs here; asked of the CPU once, for cpuid is slow in a virtual machine.
    static var highest: Level {
        if let level = Level(rawValue: found.load(ordering: .relaxed)) { return level }
        #if arch(x86_64)
            let number = focal_x86_level()
            let level: Level = number >= 4 ? .v4 : number == 3 ? .v3 : .v1
        #else
            let level = Level.neon
        #endif
        found.store(level.rawValue, ordering: .relaxed)
        return level
    }

    private static var chosen: Int32 {
        let chosen = choice.load(ordering: .acquiring)
        return chosen == unset ? choose(fromEnvironment()) : chosen
    }

    /// The level in use, or nil where the environment names one that is absent.
    static var level: Level? {
        let chosen = chosen
        return chosen == automatic ? highest : Level(rawValue: chosen)
    }

    /// nil: the highest, but for small calls.
    static func set(_ level: Level?) { _ = choose(level?.rawValue ?? automatic) }

    /// Who reads the choice finds the tables filled.
    @inline(never) private static func choose(_ choice: Int32) -> Int32 {
        focal_fill_once {
            for index in 0...Dispatch.highest.rawValue {
                Level(rawValue: index).unsafelyUnwrapped.fill(focal_tables().unsafelyUnwrapped + Int(index))
            }
        }
        Dispatch.choice.store(choice, ordering: .releasing)
        return choice
    }

    /// The level of that name that runs here.
    static func named(_ name: UnsafePointer<CChar>) -> Level? {
        var index = highest.rawValue
        while index >= 0, let level = Level(rawValue: index) {
            if strcmp(level.name.c, name) == 0 { return level }
            index &-= 1
        }
        return nil
    }

    private static func fromEnvironment() -> Int32 {
        guard let name = getenv("FOCALLOSS_ISA"), name[0] != 0 else { return automatic }
        return named(name)?.rawValue ?? absent
    }

    /// The kernels in use for so many scores.  Not inlined: the tables are static in a C function, and every LLVM module would
    /// have its own.
    @inline(never) static func kernels(for scores: Int64) throws(Failure) -> UnsafePointer<focal_kernels> {
        var index = chosen
        if index == automatic { index = automaticLevel(scores) }
        if index < 0 { throw missing }
        return UnsafePointer(focal_tables().unsafelyUnwrapped + Int(index))
    }

    /// A CPU that has just used its 512-bit units runs slower for a while: what surrounds a small call, an interpreter say,
    /// loses more by that than the call gains.
    @inline(__always) private static func automaticLevel(_ scores: Int64) -> Int32 {
        let level = highest
        #if arch(x86_64)
            if level == .v4 && scores < 2048 { return Level.v3.rawValue }
        #endif
        return level.rawValue
    }

    @inline(never) private static var missing: Failure {
        let name = getenv("FOCALLOSS_ISA").map { UnsafePointer($0) } ?? StaticString("").c
        return Failure(FOCAL_ERROR_ISA, "FOCALLOSS_ISA is \(name), not one of \(highest.upToHere)")
    }
}
