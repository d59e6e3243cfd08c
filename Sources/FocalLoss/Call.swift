import CFocalLoss
import CKernels
import CSystem

/// The way every call goes: read, check, plan, survey, compute, report.
enum Call {
    /// A descriptor call.
    static func run(_ given: UnsafePointer<focal_args>?, _ family: Check.Family) -> Int32 {
        prepare { plan in
            do throws(Failure) {
                let given = try Arguments.read(given)
                if given.pointee.isOrdinary {
                    // Field by field: whoever has just written these would keep a copy in longer pieces waiting.
                    Arguments.setDefaults(&plan.pointee.args)
                    plan.pointee.args.take(given.pointee)
                    return runOrdinary(plan, family)
                }
                plan.pointee.args = given.pointee
                return runOther(plan, family)
            } catch {
                return error.status
            }
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
        plan.pointee.args.isOrdinary ? runOrdinary(plan, family) : runOther(plan, family)
    }

    /// The same where all but the fields of `take` have their defaults.
    @inline(never) static func runOrdinary(_ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family) -> Int32 {
        run(plan, family, isOrdinary: true)
    }

    /// A call that is not ordinary, or not in order.
    @inline(never) private static func runOther(_ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family) -> Int32 {
        run(plan, family, isOrdinary: false)
    }

    @_transparent private static func run(
        _ plan: UnsafeMutablePointer<focal_plan>, _ family: Check.Family, isOrdinary: Bool
    ) -> Int32 {
        do throws(Failure) {
            try Check(plan: plan, family: family, isOrdinary: isOrdinary).run()
        } catch {
            return isOrdinary ? runOther(plan, family) : error.status
        }
        let samples = plan.pointee.args.outer &* plan.pointee.args.inner, scores = samples &* plan.pointee.args.classes
        do throws(Failure) {
            plan.pointee.table = try Dispatch.kernels(for: scores)
        } catch {
            return error.status
        }
        let planner = Planner(plan: plan, family: family, isOrdinary: isOrdinary)
        planner.begin()
        var passage = Passage(plan, family, planner.look, samples: samples, scores: scores)
        focal_with_frame({ passage, frame in Passage.go(passage, frame) }, &passage)
        return passage.status
    }
}
