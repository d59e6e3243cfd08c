import CFocalLoss
import CKernels
import CSystem

/// The way every call goes: read, check, plan, survey, compute, report.
enum Call {
    /// A descriptor call.
    static func run(_ given: UnsafePointer<focal_args>?, _ family: Check.Family) -> Int32 {
        prepare { plan in
            do throws(Failure) {
                plan.pointee.args = try Arguments.read(given).pointee
            } catch {
                return error.status
            }
            return run(plan, family)
        }
    }

    /// Lends memory for a plan, in the floating-point environment of a call.  The arguments are written into it, there they are
    /// checked, and there the kernels read them: a call on one element would take longer over copies than over its loss.
    @inline(__always) static func prepare(_ body: (UnsafeMutablePointer<focal_plan>) -> Int32) -> Int32 {
        let saved = focal_fp_enter()
        defer { focal_fp_leave(saved) }
        return withUnsafeTemporaryAllocation(of: focal_plan.self, capacity: 1) { body($0.baseAddress.unsafelyUnwrapped) }
    }

    /// A call whose arguments are in its plan.
    static func run(_ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family) -> Int32 {
        do throws(Failure) {
            try Check(plan, family).run()
        } catch {
            return error.status
        }
        let planner = Planner(plan: plan, family: family)
        planner.begin()
        var passage = Passage(plan, planner)
        focal_with_frame(
            { passage, frame in
                passage.unsafelyUnwrapped.assumingMemoryBound(to: Passage.self).pointee.go(frame.unsafelyUnwrapped)
            }, &passage)
        return passage.status
    }
}
