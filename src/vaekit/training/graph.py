"""The operations of a function of tensors as a flat list, with what does nothing left out."""

from __future__ import annotations

__all__ = ["recorded"]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

Function = Callable[..., list[Tensor]]
aten = torch.ops.aten
SAME_SHAPE = {aten.view.default, aten._unsafe_view.default, aten.expand.default}  # nothing happens where shapes agree

IN_PLACE = {aten.add.Tensor: aten.add_.Tensor, aten.sub.Tensor: aten.sub_.Tensor, aten.mul.Tensor: aten.mul_.Tensor}
FRESH = {aten.sigmoid.default, aten.exp.default, *IN_PLACE}  # their results are memory of their own


def recorded(function: Function, inputs: Sequence[Tensor]) -> Function:
    """The operations of a function of tensors, without those that do nothing, as a function.

    Args:
        function: of tensors to a list of tensors; what it does in Python is done once, here.
        inputs: tensors such as it will be given.

    Raises:
        RuntimeError: where it reads a number off a tensor.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    module = make_fx(function)(*inputs)
    graph = module.graph
    for change in (_skip, _fused_bias, _turned, _reused):
        for node in list(graph.nodes):
            change(node)
        graph.eliminate_dead_code()
    module.recompile()
    return module.forward


def _shape(node: Any) -> Any:
    return node.meta["tensor_meta"].shape if isinstance(node, fx.Node) and "tensor_meta" in node.meta else None


def _skip(node: fx.Node) -> None:
    """Leave out what gives back its input."""
    idle = node.target == aten.detach.default or (node.target == aten.mul.Scalar and node.args[1] == 1)
    idle = idle or (node.target in SAME_SHAPE and _shape(node) == _shape(node.args[0]))
    if idle:
        node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]


def _fused_bias(node: fx.Node) -> None:
    """bias + a @ b of stacked layers in one operation."""
    if node.target != aten.add.Tensor or len(node.args) != 2 or node.kwargs:
        return
    bias, product = node.args
    if not isinstance(product, fx.Node) or product.target != aten.bmm.default or len(product.users) != 1:
        return
    if _shape(bias) is None or len(_shape(bias)) != 3:
        return
    with node.graph.inserting_before(node):
        fused = node.graph.call_function(aten.baddbmm.default, (bias, *product.args))
    fused.meta = node.meta
    node.replace_all_uses_with(fused)


def _turned(node: fx.Node) -> None:
    """(a^T b)^T as b^T a, so that a weight's gradient is made in the weight's own layout."""
    if node.target != aten.transpose.int or node.args[1:] != (1, 2):
        return
    product: Any = node.args[0]
    if product.target != aten.bmm.default or len(product.users) != 1:
        return
    with node.graph.inserting_before(node):
        a, b = (_transposed(node.graph, x) for x in product.args)
        node.replace_all_uses_with(node.graph.call_function(aten.bmm.default, (b, a)))


def _reused(node: fx.Node) -> None:
    """Arithmetic in the memory of what nobody else reads."""
    if node.target not in IN_PLACE or node.kwargs:
        return
    places = [0, 1] if node.target != aten.sub.Tensor else [0]
    for i in places:
        own: Any = node.args[i]
        fresh = isinstance(own, fx.Node) and (own.target in FRESH or own.meta.get("reused", False))
        alone = fresh and len(own.users) == 1
        if alone and node.args[0] is not node.args[1] and _layout(own) == _layout(node):
            node.target, node.args = IN_PLACE[node.target], (own, node.args[1 - i])
            node.meta["reused"] = True  # not for what the function changed itself, such as a buffer
            return


def _layout(node: fx.Node) -> Any:
    meta = node.meta.get("tensor_meta")
    return meta and (meta.shape, meta.dtype, meta.stride)


def _transposed(graph: fx.Graph, node: Any) -> fx.Node:
    twice = node.target == aten.transpose.int and node.args[1:] == (1, 2)
    return node.args[0] if twice else graph.call_function(aten.transpose.int, (node, 1, 2))
