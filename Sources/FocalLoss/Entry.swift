import CFocalLoss
import CSystem

// The exported functions.  Each names the way a call takes and nothing else; @implementation lets the compiler hold the
// signature against include/focalloss.h.

@_cdecl("focal_args_init") @implementation
public func focal_args_init(_ args: UnsafeMutablePointer<focal_args>!, _ size: Int) -> Int32 {
    guard let args else { return Failure(FOCAL_ERROR_NULL, "args is NULL").status }
    guard size == Int(Arguments.size) else {
        return Failure(FOCAL_ERROR_SIZE, "size is \(size), not that of this library's focal_args").status
    }
    Arguments.setDefaults(args)
    return FOCAL_OK
}

@_cdecl("focal_sigmoid") @implementation
public func focal_sigmoid(_ args: UnsafePointer<focal_args>!) -> Int32 { Call.run(args, .sigmoid) }

@_cdecl("focal_softmax") @implementation
public func focal_softmax(_ args: UnsafePointer<focal_args>!) -> Int32 { Call.run(args, .softmax) }

@_cdecl("focal_softmax_shard_stats") @implementation
public func focal_softmax_shard_stats(_ args: UnsafePointer<focal_args>!) -> Int32 { Call.run(args, .shardStats) }

@_cdecl("focal_softmax_shard_merge") @implementation
public func focal_softmax_shard_merge(
    _ samples: Int64, _ max: UnsafeMutablePointer<Double>!, _ sum: UnsafeMutablePointer<Double>!,
    _ target: UnsafeMutablePointer<Double>!, _ other_max: UnsafePointer<Double>!, _ other_sum: UnsafePointer<Double>!,
    _ other_target: UnsafePointer<Double>!
) -> Int32 {
    let saved = focal_fp_enter()
    defer { focal_fp_leave(saved) }
    guard samples >= 0 else { return Failure(FOCAL_ERROR_SIZE, "samples is \(samples), negative").status }
    guard let max, let sum, let target, let other_max, let other_sum, let other_target else {
        return samples == 0 ? FOCAL_OK : Failure(FOCAL_ERROR_NULL, "max, sum, target or one of the others is NULL").status
    }
    for i in 0..<Int(samples) {
        // An infinite maximum that both have is one number; their difference would be NaN.
        let top = other_max[i] > max[i] ? other_max[i] : max[i]
        let own = max[i] == top ? sum[i] : sum[i] * Helpers.exponential(max[i] - top)
        let others = other_max[i] == top ? other_sum[i] : other_sum[i] * Helpers.exponential(other_max[i] - top)
        max[i] = top
        sum[i] = own + others
        target[i] = other_target[i] > target[i] ? other_target[i] : target[i]
    }
    return FOCAL_OK
}
