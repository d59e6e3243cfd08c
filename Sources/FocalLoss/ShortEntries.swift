import CFocalLoss

// The short functions, one for each type of scores: signatures alone, the rest is in Short.
//
// z scores, y targets or labels, n scores or rows, k classes.

public typealias In<Value> = UnsafePointer<Value>?
public typealias Out<Value> = UnsafeMutablePointer<Value>?

// MARK: - Float

@_cdecl("focal_sigmoid_loss_f32") @implementation
public func focal_sigmoid_loss_f32(
    _ z: In<Float>, _ y: In<Float>, _ n: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32, _ loss: Out<Float>,
    _ grad: Out<Float>
) -> Int32 { Short.sigmoidLoss(z, y, n, alpha, gamma, reduction, loss, grad, FOCAL_DTYPE_F32) }

@_cdecl("focal_sigmoid_grad_hess_f32") @implementation
public func focal_sigmoid_grad_hess_f32(
    _ z: In<Float>, _ y: In<Float>, _ n: Int, _ alpha: Double, _ gamma: Double, _ hessian: Int32, _ grad: Out<Float>,
    _ hess: Out<Float>
) -> Int32 { Short.sigmoidGradHess(z, y, n, alpha, gamma, hessian, grad, hess, FOCAL_DTYPE_F32) }

@_cdecl("focal_sigmoid_label_loss_f32") @implementation
public func focal_sigmoid_label_loss_f32(
    _ z: In<Float>, _ y: In<Int32>, _ n: Int, _ k: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32,
    _ loss: Out<Float>, _ grad: Out<Float>
) -> Int32 { Short.sigmoidLabelLoss(z, y, n, k, alpha, gamma, reduction, loss, grad, FOCAL_DTYPE_F32) }

@_cdecl("focal_bce_f32") @implementation
public func focal_bce_f32(
    _ z: In<Float>, _ y: In<Float>, _ n: Int, _ reduction: Int32, _ loss: Out<Float>, _ grad: Out<Float>
) -> Int32 { Short.weightedBCE(z, y, n, 1, 1, reduction, loss, grad, FOCAL_DTYPE_F32) }

@_cdecl("focal_weighted_bce_f32") @implementation
public func focal_weighted_bce_f32(
    _ z: In<Float>, _ y: In<Float>, _ n: Int, _ positive: Double, _ negative: Double, _ reduction: Int32, _ loss: Out<Float>,
    _ grad: Out<Float>
) -> Int32 { Short.weightedBCE(z, y, n, positive, negative, reduction, loss, grad, FOCAL_DTYPE_F32) }

@_cdecl("focal_softmax_loss_f32") @implementation
public func focal_softmax_loss_f32(
    _ z: In<Float>, _ y: In<Int32>, _ n: Int, _ k: Int, _ alphas: In<Double>, _ gamma: Double, _ reduction: Int32,
    _ loss: Out<Float>, _ grad: Out<Float>
) -> Int32 { Short.softmaxLoss(z, y, n, k, alphas, gamma, reduction, loss, grad, FOCAL_DTYPE_F32) }

@_cdecl("focal_softmax_grad_hess_f32") @implementation
public func focal_softmax_grad_hess_f32(
    _ z: In<Float>, _ y: In<Int32>, _ n: Int, _ k: Int, _ alphas: In<Double>, _ gamma: Double, _ hessian: Int32,
    _ grad: Out<Float>, _ hess: Out<Float>
) -> Int32 { Short.softmaxGradHess(z, y, n, k, alphas, gamma, hessian, grad, hess, FOCAL_DTYPE_F32) }

// MARK: - Double

@_cdecl("focal_sigmoid_loss_f64") @implementation
public func focal_sigmoid_loss_f64(
    _ z: In<Double>, _ y: In<Double>, _ n: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32, _ loss: Out<Double>,
    _ grad: Out<Double>
) -> Int32 { Short.sigmoidLoss(z, y, n, alpha, gamma, reduction, loss, grad, FOCAL_DTYPE_F64) }

@_cdecl("focal_sigmoid_grad_hess_f64") @implementation
public func focal_sigmoid_grad_hess_f64(
    _ z: In<Double>, _ y: In<Double>, _ n: Int, _ alpha: Double, _ gamma: Double, _ hessian: Int32, _ grad: Out<Double>,
    _ hess: Out<Double>
) -> Int32 { Short.sigmoidGradHess(z, y, n, alpha, gamma, hessian, grad, hess, FOCAL_DTYPE_F64) }

@_cdecl("focal_sigmoid_label_loss_f64") @implementation
public func focal_sigmoid_label_loss_f64(
    _ z: In<Double>, _ y: In<Int32>, _ n: Int, _ k: Int, _ alpha: Double, _ gamma: Double, _ reduction: Int32,
    _ loss: Out<Double>, _ grad: Out<Double>
) -> Int32 { Short.sigmoidLabelLoss(z, y, n, k, alpha, gamma, reduction, loss, grad, FOCAL_DTYPE_F64) }

@_cdecl("focal_bce_f64") @implementation
public func focal_bce_f64(
    _ z: In<Double>, _ y: In<Double>, _ n: Int, _ reduction: Int32, _ loss: Out<Double>, _ grad: Out<Double>
) -> Int32 { Short.weightedBCE(z, y, n, 1, 1, reduction, loss, grad, FOCAL_DTYPE_F64) }

@_cdecl("focal_weighted_bce_f64") @implementation
public func focal_weighted_bce_f64(
    _ z: In<Double>, _ y: In<Double>, _ n: Int, _ positive: Double, _ negative: Double, _ reduction: Int32,
    _ loss: Out<Double>, _ grad: Out<Double>
) -> Int32 { Short.weightedBCE(z, y, n, positive, negative, reduction, loss, grad, FOCAL_DTYPE_F64) }

@_cdecl("focal_softmax_loss_f64") @implementation
public func focal_softmax_loss_f64(
    _ z: In<Double>, _ y: In<Int32>, _ n: Int, _ k: Int, _ alphas: In<Double>, _ gamma: Double, _ reduction: Int32,
    _ loss: Out<Double>, _ grad: Out<Double>
) -> Int32 { Short.softmaxLoss(z, y, n, k, alphas, gamma, reduction, loss, grad, FOCAL_DTYPE_F64) }

@_cdecl("focal_softmax_grad_hess_f64") @implementation
public func focal_softmax_grad_hess_f64(
    _ z: In<Double>, _ y: In<Int32>, _ n: Int, _ k: Int, _ alphas: In<Double>, _ gamma: Double, _ hessian: Int32,
    _ grad: Out<Double>, _ hess: Out<Double>
) -> Int32 { Short.softmaxGradHess(z, y, n, k, alphas, gamma, hessian, grad, hess, FOCAL_DTYPE_F64) }
