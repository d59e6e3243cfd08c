import CFocalLoss
import CSystem

/// A call's error.  Making one writes the thread's last error, piece by piece, truncated to its buffer:
///
///     throw Failure(FOCAL_ERROR_VALUE).says("gamma is ", args.gamma, ", outside [0, 1e6]")
struct Failure: Error {
    let status: Int32
    private var length = 0

    init(_ status: Int32) {
        self.status = status
        Failure.text[0] = 0
    }

    static var text: UnsafeMutablePointer<CChar> { focal_message().unsafelyUnwrapped }

    func says(_ words: StaticString) -> Failure {
        var copy = self
        copy.put(words)
        return copy
    }

    func says<Value: Speakable>(_ words: StaticString, _ value: Value, _ rest: StaticString) -> Failure {
        var copy = self
        copy.put(words)
        value.speak(into: &copy)
        copy.put(rest)
        return copy
    }

    mutating func put(_ words: StaticString) {
        for i in 0..<words.utf8CodeUnitCount { put(byte: words.utf8Start[i]) }
    }

    mutating func put(_ number: Double) {
        length = Int(focal_print_double(Failure.text, Int32(truncatingIfNeeded: length), number))
    }

    mutating func put(byte: UInt8) {
        guard length &+ 1 < Int(FOCAL_MESSAGE_SIZE) else { return }
        Failure.text[length] = CChar(bitPattern: byte)
        length &+= 1
        Failure.text[length] = 0
    }
}

/// What an error message can name.
protocol Speakable {
    func speak(into failure: inout Failure)
}

extension StaticString: Speakable {
    func speak(into failure: inout Failure) { failure.put(self) }
}

extension Int64: Speakable {
    func speak(into failure: inout Failure) {
        if self < 0 { failure.put("-") }
        var divisor: UInt64 = 1
        while magnitude / divisor >= 10 { divisor &*= 10 }
        while divisor > 0 {
            failure.put(byte: UInt8(truncatingIfNeeded: 0x30 &+ magnitude / divisor % 10))
            divisor /= 10
        }
    }
}

extension Int32: Speakable {
    func speak(into failure: inout Failure) { Int64(self).speak(into: &failure) }
}

extension Double: Speakable {
    func speak(into failure: inout Failure) { failure.put(self) }
}

extension UnsafePointer<CChar>: Speakable {
    func speak(into failure: inout Failure) {
        var i = 0
        while self[i] != 0 {
            failure.put(byte: UInt8(bitPattern: self[i]))
            i &+= 1
        }
    }
}
