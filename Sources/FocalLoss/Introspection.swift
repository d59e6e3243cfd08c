import CFocalLoss
import CSystem

// What is running: version, errors, instruction set, threads.

extension StaticString {
    /// The characters, which end with a zero.
    var c: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}

@_cdecl("focal_version") @implementation
public func focal_version() -> UnsafePointer<CChar>! { focal_version_text() }

@_cdecl("focal_abi_version") @implementation
public func focal_abi_version() -> Int32 { FOCAL_ABI_VERSION }

@_cdecl("focal_status_string") @implementation
public func focal_status_string(_ status: Int32) -> UnsafePointer<CChar>! {
    let name: StaticString =
        switch status {
        case FOCAL_OK: "FOCAL_OK"
        case FOCAL_ERROR_NULL: "FOCAL_ERROR_NULL"
        case FOCAL_ERROR_SIZE: "FOCAL_ERROR_SIZE"
        case FOCAL_ERROR_VALUE: "FOCAL_ERROR_VALUE"
        case FOCAL_ERROR_OPTION: "FOCAL_ERROR_OPTION"
        case FOCAL_ERROR_TARGET: "FOCAL_ERROR_TARGET"
        case FOCAL_ERROR_OVERLAP: "FOCAL_ERROR_OVERLAP"
        case FOCAL_ERROR_UNSUPPORTED: "FOCAL_ERROR_UNSUPPORTED"
        case FOCAL_ERROR_ISA: "FOCAL_ERROR_ISA"
        default: "unknown status"
        }
    return name.c
}

@_cdecl("focal_last_error") @implementation
public func focal_last_error() -> UnsafePointer<CChar>! { UnsafePointer(Message.text) }

@_cdecl("focal_isa") @implementation
public func focal_isa() -> UnsafePointer<CChar>! {
    let name: StaticString = Dispatch.level?.name ?? "none"
    return name.c
}

@_cdecl("focal_available_isas") @implementation
public func focal_available_isas() -> UnsafePointer<CChar>! { Dispatch.highest.upToHere.c }

@_cdecl("focal_set_isa") @implementation
public func focal_set_isa(_ isa: UnsafePointer<CChar>!) -> Int32 {
    guard let isa else {
        Dispatch.set(nil)
        return FOCAL_OK
    }
    guard let level = Dispatch.named(isa) else {
        return Failure(FOCAL_ERROR_ISA, "isa is \(isa), not one of \(Dispatch.highest.upToHere)").status
    }
    Dispatch.set(level)
    return FOCAL_OK
}

@_cdecl("focal_set_num_threads") @implementation
public func focal_set_num_threads(_ threads: Int32) -> Int32 {
    guard threads >= 0 else { return Failure(FOCAL_ERROR_VALUE, "threads is \(threads), negative").status }
    Threads.set(threads)
    return FOCAL_OK
}

@_cdecl("focal_get_num_threads") @implementation
public func focal_get_num_threads() -> Int32 { Threads.count(0) }
