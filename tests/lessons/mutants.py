"""Wrong answers made from the solutions: each differs from one in a single operator, constant, name or slice."""

import ast
import copy

#: What one might write by mistake in place of an operator or a name.
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
             ast.Mod: ast.FloorDiv, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
             ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
NAMES = {"min": "max", "maximum": "minimum", "sum": "mean", "argmax": "argmin", "any": "all", "zeros": "ones",
         "zeros_like": "ones_like", "exp": "abs", "sqrt": "abs", "floor": "ceil"}
NAMES |= {wrong: right for right, wrong in NAMES.items() if wrong not in ("abs", "ones", "ones_like")}


def mutants(source, name):
    """(what differs, the source) of wrong versions of the function ``name`` and of the helpers that it calls."""
    tree = ast.parse(source)
    for node in ast.walk(tree):     # strict=True only guards against wrong arguments
        if isinstance(node, ast.Call):
            node.keywords = [word for word in node.keywords if word.arg != "strict"]
    tree = _NegativeConstants().visit(tree)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    of, seen = [name], {ast.unparse(tree)}
    for one in of:      # grows
        used = {node.id for node in ast.walk(functions[one]) if isinstance(node, ast.Name)}
        of += [helper for helper in functions if helper[0] == "_" and helper in used and helper not in of]
    for one in of:
        for at, node in enumerate(ast.walk(functions[one])):
            for change in _changes(node):
                changed = copy.deepcopy(tree)
                function = next(node for node in changed.body if getattr(node, "name", "") == one)
                new = _replaced(function, list(ast.walk(function))[at], change)
                if (text := ast.unparse(ast.fix_missing_locations(changed))) not in seen:
                    seen.add(text)
                    line = source.splitlines()[node.lineno - 1].strip()
                    yield f"{ast.unparse(node)} -> {new}" + (f" in {line}" if line != ast.unparse(node) else ""), text


class _NegativeConstants(ast.NodeTransformer):
    """-1 as one constant."""

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return ast.copy_location(ast.Constant(-node.operand.value), node)
        return self.generic_visit(node)


def _replaced(function, target, change):
    """Put ``change(target)`` in its place, or change it in place; returns the new text."""
    new = change(target)

    class Replace(ast.NodeTransformer):
        def visit(self, node):
            return new if node is target else self.generic_visit(node)

    Replace().visit(function)
    return ast.unparse(ast.fix_missing_locations(new))


def _set(**fields):
    def change(node):
        for field, value in fields.items():
            setattr(node, field, value)
        return node
    return change


def _changes(node):
    """Functions that make something wrong of a node."""
    match node:
        case ast.Constant(value=bool()):
            yield _set(value=not node.value)
        case ast.Constant(value=int()):
            yield _set(value=node.value + 1)
            if node.value >= 0:     # -2 is as good as -1 in a reshape
                yield _set(value=node.value - 1)
        case ast.BinOp():
            if type(node.op) in OPERATORS:
                yield _set(op=OPERATORS[type(node.op)]())
            yield lambda node: node.left
            yield lambda node: node.right
        case ast.Compare() if type(node.ops[0]) in OPERATORS:
            yield _set(ops=[OPERATORS[type(node.ops[0])]()])
        case ast.UnaryOp():
            yield lambda node: node.operand
        case ast.Attribute(attr="T"):
            yield lambda node: node.value
        case ast.Attribute() if node.attr in NAMES:
            yield _set(attr=NAMES[node.attr])
        case ast.Name(ctx=ast.Load()) if node.id in NAMES:
            yield _set(id=NAMES[node.id])
        case ast.Call():
            for word in node.keywords:
                yield _set(keywords=[other for other in node.keywords if other is not word])
        case ast.Slice():
            for field in ("lower", "upper", "step"):
                if getattr(node, field):
                    yield _set(**{field: None})
        case ast.AugAssign():
            yield lambda node: ast.Assign([node.target], node.value)
            yield lambda node: ast.Pass()
        case ast.If() | ast.IfExp():
            yield _set(test=ast.Constant(True))
            yield _set(test=ast.Constant(False))
