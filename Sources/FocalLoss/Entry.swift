import CFocalLoss

// The exported functions.  Each names the way a call takes and nothing else; @implementation lets the compiler hold the
// signature against include/focalloss.h.

@_cdecl("focal_args_init") @implementation
public func focal_args_init(_ args: UnsafeMutablePointer<focal_args>!, _ size: Int) -> Int32 {
    guard let args else { return Failure(FOCAL_ERROR_NULL).says("args is NULL").status }
    guard size == Int(Arguments.size) else {
        return Failure(FOCAL_ERROR_SIZE).says("size is ", Int64(size), ", not that of this library's focal_args").status
    }
    args.pointee = Arguments.defaults()
    return FOCAL_OK
}

@_cdecl("focal_sigmoid") @implementation
public func focal_sigmoid(_ args: UnsafePointer<focal_args>!) -> Int32 { Call.run(args, .sigmoid) }

@_cdecl("focal_softmax") @implementation
public func focal_softmax(_ args: UnsafePointer<focal_args>!) -> Int32 { Call.run(args, .softmax) }

@_cdecl("focal_softmax_shard_stats") @implementation
public func focal_softmax_shard_stats(_ args: UnsafePointer<focal_args>!) -> Int32 { Call.run(args, .shardStats) }
