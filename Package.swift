// swift-tools-version:6.2
import PackageDescription

// Embedded Swift: no runtime, no signal handlers, libc alone.  The installed libfocalloss.so and .a come from `make`, which
// compiles the same modules with the same flags and seals each instruction set off from the others; `swift build` alone
// gives a usable .so too.
let embedded: [SwiftSetting] = [
    .enableExperimentalFeature("Embedded"),
    .unsafeFlags(["-Osize", "-Xfrontend", "-remove-runtime-asserts", "-wmo", "-Xfrontend", "-enable-stack-protector", "-Xcc", "-Wno-psabi"]),
]

/// The kernels, compiled once for each instruction set from the one source in Sources/Kernels; `aligned` as in the Makefile.
func kernels(_ name: String, define: String, march: String, aligned: [String] = ["-Xcc", "-fno-omit-frame-pointer"]) -> Target {
    .target(
        name: name, dependencies: ["CFocalLoss", "CKernels"],
        swiftSettings: embedded + [.define(define), .unsafeFlags(["-Xcc", "-march=\(march)"] + aligned)])
}

let package = Package(
    name: "focalloss",
    products: [.library(name: "focalloss", type: .dynamic, targets: ["FocalLoss"])],
    targets: [
        // MARK: - Public ABI
        .systemLibrary(name: "CFocalLoss", path: "include"),
        .target(
            name: "FocalLoss",
            dependencies: ["CFocalLoss", "CKernels", "CSystem", "KernelsV2", "KernelsV3", "KernelsV4"],
            swiftSettings: embedded + [.unsafeFlags(["-Xcc", "-D_GNU_SOURCE"])],
            linkerSettings: [.linkedLibrary("m")]),

        // MARK: - Headers only
        .systemLibrary(name: "CKernels", path: "Sources/CKernels"),
        .systemLibrary(name: "CSystem", path: "Sources/CSystem"),

        // MARK: - One source, one target an instruction set
        kernels("KernelsV2", define: "ISA_X86_64", march: "x86-64", aligned: []),
        kernels("KernelsV3", define: "ISA_X86_64_V3", march: "x86-64-v3"),
        kernels("KernelsV4", define: "ISA_X86_64_V4", march: "x86-64-v4"),
    ]
)
