import CFocalLoss
import CKernels

/// The words for a target that is out of range.
struct BadTarget {
    let plan: UnsafePointer<focal_plan>
    let index: Int64
    private var args: focal_args { plan.pointee.args }

    var failure: Failure {
        let targets = args.targets.unsafelyUnwrapped, i = Int(index)
        return switch args.target_dtype {
        case FOCAL_DTYPE_F32: real(Double(targets.loadUnaligned(fromByteOffset: i &* 4, as: Float.self)))
        case FOCAL_DTYPE_F64: real(targets.loadUnaligned(fromByteOffset: i &* 8, as: Double.self))
        case FOCAL_DTYPE_U8: integer(Int64(targets.loadUnaligned(fromByteOffset: i, as: UInt8.self)))
        case FOCAL_DTYPE_I32: integer(Int64(targets.loadUnaligned(fromByteOffset: i &* 4, as: Int32.self)))
        default: integer(targets.loadUnaligned(fromByteOffset: i &* 8, as: Int64.self))
        }
    }

    private func real(_ value: Double) -> Failure {
        Failure(FOCAL_ERROR_TARGET, "targets[\(index)] is \(value), outside [0, 1]")
    }

    private func integer(_ value: Int64) -> Failure {
        guard args.target_kind == FOCAL_TARGETS_LABELS else {
            return Failure(FOCAL_ERROR_TARGET, "targets[\(index)] is \(value), neither 0 nor 1")
        }
        let limit = args.shard_total > 0 ? args.shard_total : args.classes
        return Failure(FOCAL_ERROR_TARGET, "targets[\(index)] is \(value), outside [0, \(limit))")
    }
}
