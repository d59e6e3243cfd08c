/* Embeds Python and computes on its arrays where they lie, through the buffer protocol: nothing is copied.
 *
 *     cc embed_python.c $(pkg-config --cflags --libs focalloss python3-embed) -o embed_python
 *
 * Any object with a buffer of float32 will do: array.array here, numpy arrays just so.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <focalloss.h>
#include <string.h>

static const char SCRIPT[] = "from array import array\n"
                             "logits = array('f', [2.0, -1.0, 0.5, -3.0])\n"
                             "targets = array('f', [1.0, 0.0, 1.0, 0.0])\n"
                             "grad = array('f', bytes(4 * len(logits)))\n";

/* Borrows the memory of the variable `name` as one-dimensional float32.  Returns 0, or -1 with a Python exception. */
static int borrow(PyObject *variables, const char *name, int flags, Py_buffer *view)
{
    PyObject *object = PyDict_GetItemString(variables, name);
    if (!object) {
        PyErr_Format(PyExc_NameError, "no variable %s", name);
        return -1;
    }
    if (PyObject_GetBuffer(object, view, flags | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0) return -1;
    if (view->ndim != 1 || strcmp(view->format, "f") != 0) {
        PyErr_Format(PyExc_TypeError, "%s is not a one-dimensional buffer of float32", name);
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

/* The mean focal loss of `logits` against `targets`; its gradient goes into `grad`, all variables of the script. */
static int differentiate(PyObject *variables, float *loss)
{
    Py_buffer logits, targets, grad;
    int32_t status = FOCAL_OK;
    int done = -1;
    if (borrow(variables, "logits", PyBUF_SIMPLE, &logits) != 0) return -1;
    if (borrow(variables, "targets", PyBUF_SIMPLE, &targets) != 0) goto release_logits;
    if (borrow(variables, "grad", PyBUF_WRITABLE, &grad) != 0) goto release_targets;

    if (targets.len != logits.len || grad.len != logits.len) {
        PyErr_SetString(PyExc_ValueError, "logits, targets and grad differ in length");
        goto release_grad;
    }
    Py_BEGIN_ALLOW_THREADS /* other Python threads run while the library computes */
    status = focal_sigmoid_loss_f32(logits.buf, targets.buf, (size_t)logits.len / sizeof(float), 0.25, 2.0,
                                    FOCAL_REDUCTION_MEAN, loss, grad.buf);
    Py_END_ALLOW_THREADS
    if (status != FOCAL_OK) PyErr_SetString(PyExc_ValueError, focal_last_error());
    else done = 0;

release_grad:
    PyBuffer_Release(&grad);
release_targets:
    PyBuffer_Release(&targets);
release_logits:
    PyBuffer_Release(&logits);
    return done;
}

int main(void)
{
    float loss = 0;
    int done = -1;
    Py_Initialize();
    PyObject *variables = PyModule_GetDict(PyImport_AddModule("__main__"));
    if (PyRun_SimpleString(SCRIPT) == 0 && (done = differentiate(variables, &loss)) == 0) {
        printf("loss in C   %.6f\n", (double)loss);
        fflush(stdout);
        PyRun_SimpleString("print('grad in Python ', *(f'{g:.6f}' for g in grad))");
    }
    if (PyErr_Occurred()) PyErr_Print();
    return Py_FinalizeEx() != 0 || done != 0;
}
