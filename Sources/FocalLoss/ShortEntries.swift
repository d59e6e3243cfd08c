import CFocalLoss

// The short functions, one for each type of scores.

// MARK: - Float

@_cdecl("focal_sigmoid_loss_f32") @implementation
public func focal_sigmoid_loss_f32(
    _ logits: UnsafePointer<Float>!, _ targets: UnsafePointer<Float>!, _ n: Int, _ alpha: Double, _ gamma: Double,
    _ reduction: Int32, _ loss: UnsafeMutablePointer<Float>!, _ grad: UnsafeMutablePointer<Float>!
) -> Int32 {
    Short.loss(Short.sigmoid(FOCAL_DTYPE_F32, logits, targets, n, alpha: alpha, gamma: gamma), .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_sigmoid_grad_hess_f32") @implementation
public func focal_sigmoid_grad_hess_f32(
    _ logits: UnsafePointer<Float>!, _ targets: UnsafePointer<Float>!, _ n: Int, _ alpha: Double, _ gamma: Double,
    _ hessian: Int32, _ grad: UnsafeMutablePointer<Float>!, _ hess: UnsafeMutablePointer<Float>!
) -> Int32 {
    Short.gradHess(Short.sigmoid(FOCAL_DTYPE_F32, logits, targets, n, alpha: alpha, gamma: gamma), .sigmoid, hessian, grad, hess)
}

@_cdecl("focal_sigmoid_label_loss_f32") @implementation
public func focal_sigmoid_label_loss_f32(
    _ logits: UnsafePointer<Float>!, _ labels: UnsafePointer<Int32>!, _ n: Int, _ classes: Int, _ alpha: Double,
    _ gamma: Double, _ reduction: Int32, _ loss: UnsafeMutablePointer<Float>!, _ grad: UnsafeMutablePointer<Float>!
) -> Int32 {
    var args = Short.labels(FOCAL_DTYPE_F32, logits, labels, n, classes, gamma: gamma)
    args.alpha = alpha
    args.background_label = Int64(classes)
    return Short.loss(args, .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_bce_f32") @implementation
public func focal_bce_f32(
    _ logits: UnsafePointer<Float>!, _ targets: UnsafePointer<Float>!, _ n: Int, _ reduction: Int32,
    _ loss: UnsafeMutablePointer<Float>!, _ grad: UnsafeMutablePointer<Float>!
) -> Int32 {
    Short.loss(Short.sigmoid(FOCAL_DTYPE_F32, logits, targets, n, alpha: FOCAL_ALPHA_OFF, gamma: 0), .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_weighted_bce_f32") @implementation
public func focal_weighted_bce_f32(
    _ logits: UnsafePointer<Float>!, _ targets: UnsafePointer<Float>!, _ n: Int, _ pos_weight: Double, _ neg_weight: Double,
    _ reduction: Int32, _ loss: UnsafeMutablePointer<Float>!, _ grad: UnsafeMutablePointer<Float>!
) -> Int32 {
    var args = Short.sigmoid(FOCAL_DTYPE_F32, logits, targets, n, alpha: FOCAL_ALPHA_OFF, gamma: 0)
    args.pos_weight = pos_weight
    args.neg_weight = neg_weight
    return Short.loss(args, .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_softmax_loss_f32") @implementation
public func focal_softmax_loss_f32(
    _ logits: UnsafePointer<Float>!, _ labels: UnsafePointer<Int32>!, _ n: Int, _ classes: Int,
    _ alphas: UnsafePointer<Double>!, _ gamma: Double, _ reduction: Int32, _ loss: UnsafeMutablePointer<Float>!,
    _ grad: UnsafeMutablePointer<Float>!
) -> Int32 {
    var args = Short.labels(FOCAL_DTYPE_F32, logits, labels, n, classes, gamma: gamma)
    args.alphas = alphas
    return Short.loss(args, .softmax, reduction, loss, grad)
}

@_cdecl("focal_softmax_grad_hess_f32") @implementation
public func focal_softmax_grad_hess_f32(
    _ logits: UnsafePointer<Float>!, _ labels: UnsafePointer<Int32>!, _ n: Int, _ classes: Int,
    _ alphas: UnsafePointer<Double>!, _ gamma: Double, _ hessian: Int32, _ grad: UnsafeMutablePointer<Float>!,
    _ hess: UnsafeMutablePointer<Float>!
) -> Int32 {
    var args = Short.labels(FOCAL_DTYPE_F32, logits, labels, n, classes, gamma: gamma)
    args.alphas = alphas
    return Short.gradHess(args, .softmax, hessian, grad, hess)
}

// MARK: - Double

@_cdecl("focal_sigmoid_loss_f64") @implementation
public func focal_sigmoid_loss_f64(
    _ logits: UnsafePointer<Double>!, _ targets: UnsafePointer<Double>!, _ n: Int, _ alpha: Double, _ gamma: Double,
    _ reduction: Int32, _ loss: UnsafeMutablePointer<Double>!, _ grad: UnsafeMutablePointer<Double>!
) -> Int32 {
    Short.loss(Short.sigmoid(FOCAL_DTYPE_F64, logits, targets, n, alpha: alpha, gamma: gamma), .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_sigmoid_grad_hess_f64") @implementation
public func focal_sigmoid_grad_hess_f64(
    _ logits: UnsafePointer<Double>!, _ targets: UnsafePointer<Double>!, _ n: Int, _ alpha: Double, _ gamma: Double,
    _ hessian: Int32, _ grad: UnsafeMutablePointer<Double>!, _ hess: UnsafeMutablePointer<Double>!
) -> Int32 {
    Short.gradHess(Short.sigmoid(FOCAL_DTYPE_F64, logits, targets, n, alpha: alpha, gamma: gamma), .sigmoid, hessian, grad, hess)
}

@_cdecl("focal_sigmoid_label_loss_f64") @implementation
public func focal_sigmoid_label_loss_f64(
    _ logits: UnsafePointer<Double>!, _ labels: UnsafePointer<Int32>!, _ n: Int, _ classes: Int, _ alpha: Double,
    _ gamma: Double, _ reduction: Int32, _ loss: UnsafeMutablePointer<Double>!, _ grad: UnsafeMutablePointer<Double>!
) -> Int32 {
    var args = Short.labels(FOCAL_DTYPE_F64, logits, labels, n, classes, gamma: gamma)
    args.alpha = alpha
    args.background_label = Int64(classes)
    return Short.loss(args, .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_bce_f64") @implementation
public func focal_bce_f64(
    _ logits: UnsafePointer<Double>!, _ targets: UnsafePointer<Double>!, _ n: Int, _ reduction: Int32,
    _ loss: UnsafeMutablePointer<Double>!, _ grad: UnsafeMutablePointer<Double>!
) -> Int32 {
    Short.loss(Short.sigmoid(FOCAL_DTYPE_F64, logits, targets, n, alpha: FOCAL_ALPHA_OFF, gamma: 0), .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_weighted_bce_f64") @implementation
public func focal_weighted_bce_f64(
    _ logits: UnsafePointer<Double>!, _ targets: UnsafePointer<Double>!, _ n: Int, _ pos_weight: Double, _ neg_weight: Double,
    _ reduction: Int32, _ loss: UnsafeMutablePointer<Double>!, _ grad: UnsafeMutablePointer<Double>!
) -> Int32 {
    var args = Short.sigmoid(FOCAL_DTYPE_F64, logits, targets, n, alpha: FOCAL_ALPHA_OFF, gamma: 0)
    args.pos_weight = pos_weight
    args.neg_weight = neg_weight
    return Short.loss(args, .sigmoid, reduction, loss, grad)
}

@_cdecl("focal_softmax_loss_f64") @implementation
public func focal_softmax_loss_f64(
    _ logits: UnsafePointer<Double>!, _ labels: UnsafePointer<Int32>!, _ n: Int, _ classes: Int,
    _ alphas: UnsafePointer<Double>!, _ gamma: Double, _ reduction: Int32, _ loss: UnsafeMutablePointer<Double>!,
    _ grad: UnsafeMutablePointer<Double>!
) -> Int32 {
    var args = Short.labels(FOCAL_DTYPE_F64, logits, labels, n, classes, gamma: gamma)
    args.alphas = alphas
    return Short.loss(args, .softmax, reduction, loss, grad)
}

@_cdecl("focal_softmax_grad_hess_f64") @implementation
public func focal_softmax_grad_hess_f64(
    _ logits: UnsafePointer<Double>!, _ labels: UnsafePointer<Int32>!, _ n: Int, _ classes: Int,
    _ alphas: UnsafePointer<Double>!, _ gamma: Double, _ hessian: Int32, _ grad: UnsafeMutablePointer<Double>!,
    _ hess: UnsafeMutablePointer<Double>!
) -> Int32 {
    var args = Short.labels(FOCAL_DTYPE_F64, logits, labels, n, classes, gamma: gamma)
    args.alphas = alphas
    return Short.gradHess(args, .softmax, hessian, grad, hess)
}
