"""A model as an ONNX graph, for runtimes in any language."""

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sagemaker_kmeans.whole_file import whole_file

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as cause:
    raise ImportError("expected the package onnx: pip install 'sagemaker-kmeans[onnx]'") from cause

# Of 2021; onnxruntime reads it since its release 1.10.
_OPSET: Final = 15
_IR_VERSION: Final = 8


def write(
    path: str | os.PathLike[str],
    centers: NDArray[Any],
    standardization: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    fills: NDArray[np.float64] | None = None,
    *,
    cosine: bool = False,
) -> None:
    """Write the graph of a model.

    Parameters
    ----------
    path : str or path-like
        The file; replaced if there is one.
    centers : ndarray of float32 or float64, shape (k, d)
        The model.
    standardization : tuple of ndarray of float64, shape (d,), or None
        The means and the standard deviations of the features, in which distances are measured.
    fills : ndarray of float64, shape (d,), or None
        What takes the place of NaN in rows; None if no number may be missing.
    cosine : bool
        Whether rows are compared by their directions; then there is no standardization, and the distance is 1 - cosine.

    Notes
    -----
    It computes in float64, around the median of the centers, as `sagemaker_kmeans.nearest` does. Where two centers are
    equally near but for the rounding of float64, either may be chosen.
    """
    exact = centers.astype(np.float64)
    if standardization is not None:
        exact = (exact - standardization[0]) / standardization[1]
    offset = np.median(exact, axis=0)
    shifted = exact - offset
    constants = {
        "offset": offset,
        "shifted_centers": shifted,
        "minus_twice_shifted": np.ascontiguousarray(-2.0 * shifted.T),
        "squared_norms": np.einsum("kd,kd->k", shifted, shifted),
        "feature_axis": np.array([1]),
    }
    nodes, rows = [], "rows"
    if fills is not None:
        constants["fills"], rows = fills.astype(centers.dtype), "filled_rows"
        nodes = [
            helper.make_node("IsNaN", ["rows"], ["missing"]),
            helper.make_node("Where", ["missing", "fills", "rows"], [rows]),
        ]
    distances = [helper.make_node("Sqrt", ["squared_distances"], ["distances"])]
    if cosine:
        constants["half"] = np.array(0.5)
        nodes += [
            helper.make_node("Cast", [rows], ["rows_of_data"], to=TensorProto.DOUBLE),
            # By the largest number first, so that no square overflows or underflows.
            helper.make_node("Abs", ["rows_of_data"], ["sizes"]),
            helper.make_node("ReduceMax", ["sizes"], ["largest"], axes=[1]),
            helper.make_node("Div", ["rows_of_data", "largest"], ["scaled_rows"]),
            helper.make_node("ReduceL2", ["scaled_rows"], ["lengths"], axes=[1]),
            helper.make_node("Div", ["scaled_rows", "lengths"], ["exact_rows"]),
        ]
        distances = [helper.make_node("Mul", ["squared_distances", "half"], ["distances"])]
    elif standardization is None:
        nodes += [helper.make_node("Cast", [rows], ["exact_rows"], to=TensorProto.DOUBLE)]
    else:
        constants["means"], constants["scales"] = standardization
        nodes += [
            helper.make_node("Cast", [rows], ["rows_of_data"], to=TensorProto.DOUBLE),
            helper.make_node("Sub", ["rows_of_data", "means"], ["centered_rows"]),
            helper.make_node("Div", ["centered_rows", "scales"], ["exact_rows"]),
        ]
    nodes += [
        helper.make_node("Sub", ["exact_rows", "offset"], ["shifted_rows"]),
        helper.make_node("MatMul", ["shifted_rows", "minus_twice_shifted"], ["products"]),
        helper.make_node("Add", ["products", "squared_norms"], ["scores"]),
        helper.make_node("ArgMin", ["scores"], ["closest_cluster"], axis=1, keepdims=0),
        helper.make_node("Gather", ["shifted_centers", "closest_cluster"], ["closest_centers"]),
        helper.make_node("Sub", ["shifted_rows", "closest_centers"], ["differences"]),
        helper.make_node("Mul", ["differences", "differences"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "feature_axis"], ["squared_distances"], keepdims=0),
        *distances,
        helper.make_node("Cast", ["distances"], ["distance_to_cluster"], to=TensorProto.FLOAT),
    ]
    number = helper.np_dtype_to_tensor_dtype(centers.dtype)
    graph = helper.make_graph(
        nodes,
        "kmeans",
        [helper.make_tensor_value_info("rows", number, ["n", centers.shape[1]])],
        [
            helper.make_tensor_value_info("closest_cluster", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("distance_to_cluster", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="sagemaker_kmeans",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    onnx.checker.check_model(model)
    with whole_file(path) as file:
        file.write(model.SerializeToString())
