import CFocalLoss
import CSystem

/// A call's error:
///
///     throw Failure(FOCAL_ERROR_VALUE, "gamma is \(args.gamma), outside [0, 1e6]")
struct Failure: Error {
    let status: Int32

    @inline(never) init(_ status: Int32, _: Message) { self.status = status }

    /// Something is wrong; the last error does not yet say what.
    static var untold: Failure { @_transparent get { Failure(untold: FOCAL_ERROR_VALUE) } }
    @_transparent private init(untold status: Int32) { self.status = status }
}

/// What a failure says.  Its pieces go, as they are named, straight into the thread's last error, truncated to that buffer: a
/// failing call allocates nothing either.
struct Message: ExpressibleByStringInterpolation {
    static var text: UnsafeMutablePointer<CChar> { focal_message().unsafelyUnwrapped }

    init(stringLiteral words: StaticString) {
        var interpolation = StringInterpolation(literalCapacity: 0, interpolationCount: 0)
        interpolation.appendLiteral(words)
    }

    init(stringInterpolation: StringInterpolation) {}

    struct StringInterpolation: StringInterpolationProtocol {
        private var length = 0

        @inline(never) init(literalCapacity: Int, interpolationCount: Int) { Message.text[0] = 0 }

        mutating func appendLiteral(_ words: StaticString) { appendInterpolation(words.c) }

        mutating func appendInterpolation(_ words: StaticString) { appendInterpolation(words.c) }

        @inline(never) mutating func appendInterpolation(_ words: UnsafePointer<CChar>) {
            var i = 0
            while words[i] != 0 && length &+ 1 < Int(FOCAL_MESSAGE_SIZE) {
                Message.text[length] = words[i]
                length &+= 1
                i &+= 1
            }
            Message.text[length] = 0
        }

        mutating func appendInterpolation(_ number: some FixedWidthInteger) {
            appendInterpolation(Int64(truncatingIfNeeded: number))
        }

        @inline(never) mutating func appendInterpolation(_ number: Int64) {
            length = Int(focal_print_integer(Message.text, Int32(truncatingIfNeeded: length), number))
        }

        @inline(never) mutating func appendInterpolation(_ number: Double) {
            length = Int(focal_print_double(Message.text, Int32(truncatingIfNeeded: length), number))
        }
    }
}
