"""Write a fitted pipeline as one ONNX file in double precision, straight from scikit-learn's own arrays.

The graph does what the pipeline does, operation for operation: fill, scale, encode, model, calibrate. The sampler acts
in training only and is not in it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
from onnx import TensorProto, numpy_helper
from onnx import helper as h

from fraud.calibration import Calibration, significant
from fraud.contract import KEY, Contract
from fraud.scoring import INPUT, OUTPUT

OPSETS = [h.make_opsetid("", 21), h.make_opsetid("ai.onnx.ml", 5)]
IR_VERSION = 10
LESS_OR_EQUAL, SUM = 0, 1  # Codes of the operator TreeEnsemble.
DIGITS = 7
FILLERS = 16  # The widest registers (AVX-512) hold 8 doubles; at most 7 are left over.


class Trees(NamedTuple):
    """Nodes of all trees in one list: branches point to other nodes, leaves hold a weight."""

    roots: np.ndarray
    left: np.ndarray  # -1 in a leaf
    right: np.ndarray
    feature: np.ndarray
    split: np.ndarray
    weight: np.ndarray


class Graph:
    """Nodes and constants as they are added, each under a name of its own."""

    def __init__(self) -> None:
        """Start empty."""
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, kind: Any = np.float64) -> str:
        """Return the name of a new constant."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Return the name of a new node's output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(h.make_node(operator, inputs, [name], **attributes))
        return name


def settle(model: Any) -> None:
    """Round what iterative fitting leaves to so many digits as every processor agrees on; forests need none."""
    if hasattr(model, "coef_"):
        model.coef_ = _rounded(model.coef_)
        model.intercept_ = _rounded(model.intercept_)
    for (predictor,) in getattr(model, "_predictors", ()):
        predictor.nodes["value"] = _rounded(predictor.nodes["value"])
    if hasattr(model, "_baseline_prediction"):
        model._baseline_prediction = _rounded(model._baseline_prediction)


def to_onnx(pipeline: Any, calibration: Calibration, contract: Contract) -> bytes:
    """Return the file's bytes; the same pipeline gives the same bytes."""
    graph = Graph()
    prepared = _prepare(graph, pipeline["prepare"])
    score = _score(graph, _encode(graph, prepared, pipeline["encode"]), pipeline["model"])
    probability = _without_fillers(graph, _calibrate(graph, score, calibration))
    graph.nodes.append(h.make_node("Squeeze", [probability, graph.constant([1], np.int64)], [OUTPUT]))
    body = h.make_graph(
        graph.nodes,
        "fraud",
        [h.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["rows", len(contract.features)])],
        [h.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, ["rows"])],
        graph.constants,
    )
    file = h.make_model(body, opset_imports=OPSETS, ir_version=IR_VERSION, producer_name="fraud")
    h.set_model_props(file, {KEY: msgspec.json.encode(contract).decode()})
    content: bytes = file.SerializeToString(deterministic=True)
    return content


def _prepare(graph: Graph, step: Any) -> str:
    filled = graph.add("Where", graph.add("IsNaN", INPUT), graph.constant(step.fill_), INPUT)
    return graph.add("Div", graph.add("Sub", filled, graph.constant(step.centre_)), graph.constant(step.scale_))


def _encode(graph: Graph, prepared: str, step: Any) -> str:
    if not any(step.sizes):
        return prepared
    numbers = [place for place, size in enumerate(step.sizes) if not size]
    parts = [graph.add("Gather", prepared, graph.constant(numbers, np.int64), axis=1)] if numbers else []
    for place, size in enumerate(step.sizes):
        if size:
            code = graph.add("Gather", prepared, graph.constant([place], np.int64), axis=1)
            parts.append(
                graph.add("Cast", graph.add("Equal", code, graph.constant(np.arange(size))), to=TensorProto.DOUBLE)
            )
    return graph.add("Concat", *parts, axis=1)


def _score(graph: Graph, encoded: str, model: Any) -> str:
    if hasattr(model, "coef_"):
        product = graph.add("MatMul", encoded, graph.constant(model.coef_.T))
        total = graph.add("Add", product, graph.constant(model.intercept_))
        return graph.add("Sigmoid", _with_fillers(graph, total))
    if hasattr(model, "_predictors"):
        sums = _trees(graph, encoded, _boosted_trees(model))
        total = graph.add("Add", sums, graph.constant(model._baseline_prediction.reshape(1, 1)))
        return graph.add("Sigmoid", _with_fillers(graph, total))
    # scikit-learn's forests round their inputs to single precision and compare them with double thresholds.
    single = graph.add("Cast", encoded, to=TensorProto.FLOAT)
    votes = _trees(graph, graph.add("Cast", single, to=TensorProto.DOUBLE), _forest_trees(model))
    return _with_fillers(graph, votes)


def _with_fillers(graph: Graph, scores: str) -> str:
    """Put rows behind the scores, so that logarithm and exponential give a payment the same bits in any company.

    A processor takes several numbers at once, and the few that are left over in another way: these are fillers now.
    """
    return graph.add("Concat", scores, graph.constant(np.full((FILLERS, 1), 0.5)), axis=0)


def _without_fillers(graph: Graph, scores: str) -> str:
    return graph.add("Slice", scores, graph.constant([0], np.int64), graph.constant([-FILLERS], np.int64))


def _calibrate(graph: Graph, score: str, calibration: Calibration) -> str:
    odds = graph.add(
        "Div",
        graph.add("Add", score, graph.constant(calibration.margin)),
        graph.add("Sub", graph.constant(1 + calibration.margin), score),
    )
    log_odds = graph.add("Log", odds)
    line = graph.add("Mul", log_odds, graph.constant(calibration.slope))
    return graph.add("Sigmoid", graph.add("Add", line, graph.constant(calibration.intercept)))


def _forest_trees(model: Any) -> Trees:
    trees = [one.tree_ for one in model.estimators_]
    return _joined(
        trees,
        lambda tree: (tree.children_left, tree.children_right, tree.feature, tree.threshold),
        lambda tree: tree.value[:, 0, 1] / len(trees),
    )


def _boosted_trees(model: Any) -> Trees:
    def parts(nodes: Any) -> tuple[np.ndarray, ...]:
        leaf = nodes["is_leaf"].astype(bool)
        left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
        return left, right, nodes["feature_idx"], nodes["num_threshold"]

    return _joined([predictor.nodes for (predictor,) in model._predictors], parts, lambda nodes: nodes["value"])


def _joined(
    trees: list[Any], parts: Callable[[Any], tuple[np.ndarray, ...]], weight: Callable[[Any], np.ndarray]
) -> Trees:
    """Return the nodes of all trees, each tree's references moved behind those before it."""
    columns = [parts(tree) for tree in trees]
    starts = np.cumsum([0] + [len(left) for left, *_ in columns[:-1]])
    moved = [
        (np.where(left < 0, -1, left + start), np.where(right < 0, -1, right + start), feature, split)
        for start, (left, right, feature, split) in zip(starts, columns, strict=True)
    ]
    left, right, feature, split = (np.concatenate(column) for column in zip(*moved, strict=True))
    return Trees(starts, left, right, feature, split, np.concatenate([weight(tree) for tree in trees]))


def _trees(graph: Graph, inputs: str, trees: Trees) -> str:
    """Add one TreeEnsemble: branches and leaves are numbered apart, and a root must be a branch."""
    leaf = trees.left < 0
    lone = leaf[trees.roots]  # A tree of one leaf becomes a branch that leads to it either way.
    branches = np.concatenate([np.flatnonzero(~leaf), trees.roots[lone]])
    number = np.empty(len(leaf), dtype=np.int64)
    number[leaf] = np.arange(leaf.sum())
    number[~leaf] = np.arange((~leaf).sum())
    roots = number[trees.roots]
    roots[lone] = (~leaf).sum() + np.arange(lone.sum())
    true, false = (np.where(leaf[branches], branches, side[branches]) for side in (trees.left, trees.right))
    splits = np.where(leaf[branches], 0.0, trees.split[branches]).astype(np.float64)
    return graph.add(
        "TreeEnsemble",
        inputs,
        domain="ai.onnx.ml",
        aggregate_function=SUM,
        n_targets=1,
        tree_roots=roots.tolist(),
        nodes_featureids=np.where(leaf[branches], 0, trees.feature[branches]).tolist(),
        nodes_splits=numpy_helper.from_array(splits, "splits"),
        nodes_modes=numpy_helper.from_array(np.full(len(branches), LESS_OR_EQUAL, dtype=np.uint8), "modes"),
        nodes_truenodeids=number[true].tolist(),
        nodes_trueleafs=leaf[true].astype(int).tolist(),
        nodes_falsenodeids=number[false].tolist(),
        nodes_falseleafs=leaf[false].astype(int).tolist(),
        leaf_targetids=[0] * int(leaf.sum()),
        leaf_weights=numpy_helper.from_array(trees.weight[leaf].astype(np.float64), "weights"),
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda value: significant(value, DIGITS), otypes=[np.float64])(values)
