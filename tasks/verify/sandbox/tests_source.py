"""The source of tests, read and rewritten before it goes into the sandbox. Nothing of it is run here."""

from __future__ import annotations

import ast
import builtins
import sys
import warnings

_LABEL = 120  # characters of an assert that a verdict's reason quotes
_CHECK = "check"


def _parsed(source: str, name: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what compiles, how well it is written is not our concern
        try:
            compile(source, name, "exec", dont_inherit=True)
            return ast.parse(source)
        except SyntaxError as error:
            raise ValueError(f"the {name} do not compile: {error}") from error


def free_names(setup: str, tests: str) -> tuple[list[str], list[str], bool]:
    """What the tests use and neither they nor the set-up define.

    A name counts as defined when it is bound anywhere in either source.

    Returns:
        The standard modules among them, the other names (both sorted), and whether ``candidate`` is used.

    Raises:
        ValueError: a source does not compile.
    """
    tree, before = _parsed(tests, "tests"), _parsed(setup, "setup")
    if any(isinstance(node, ast.ClassDef) and "TestCase" in ast.unparse(node).partition(":")[0] for node in tree.body):
        raise ValueError("the tests are a unittest class, which nothing runs; write asserts")
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {name for part in (tree, before) for node in ast.walk(part) for name in _bound(node)}
    free = used - bound - set(dir(builtins))
    modules = {name for name in free if name in sys.stdlib_module_names}
    calls_check = any(isinstance(node, ast.FunctionDef) and node.name == _CHECK for node in tree.body)
    return sorted(modules), sorted(free - modules - {"candidate"}), calls_check or "candidate" in free


def _bound(node: ast.AST) -> list[str]:
    """The names that a node binds."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).partition(".")[0]]
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return [node.name] if node.name else []
    return []


def counted(tests: str, modules: list[str], name: str) -> str:
    """The tests with each assert reported by itself (tasks/verify/sandbox/inside/judge.py), so that one may fail and the
    next still runs.

    Args:
        tests: the source; it compiles.
        modules: to import first.
        name: what ``check``, where the tests define it and do not call it, is called with.
    """
    tree = _Asserts().visit(_parsed(tests, "tests"))
    defined = any(isinstance(node, ast.FunctionDef) and node.name == _CHECK for node in tree.body)
    called = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == _CHECK for node in ast.walk(tree)
    )
    imports = f"import {', '.join(modules)}\n" if modules else ""
    calls = [f"\n{_CHECK}({name})"] if defined and not called else []
    return imports + ast.unparse(tree) + "".join([*calls, *(f"\n{test}()" for test in _uncalled(tree))])


def _uncalled(tree: ast.Module) -> list[str]:
    """The functions ``test…()`` that nothing in the tests uses: a test runner would call them."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tests = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test"))
    return [node.name for node in tests if node.name not in used and not (node.args.posonlyargs or node.args.args)]


class _Asserts(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        label = ast.unparse(node)[:_LABEL].replace("\n", " ")
        reported = ast.parse(
            f"try:\n    pass\nexcept Exception as winnow_error:\n    winnow_failed({label!r}, winnow_error)\n"
            "else:\n    winnow_passed()"
        ).body[0]
        assert isinstance(reported, ast.Try)
        reported.body = [node]
        return reported

    def visit_Try(self, node: ast.Try) -> ast.Try:
        return node  # "either this assert holds, or that error is raised": one test with what is around it

    def visit_TryStar(self, node: ast.stmt) -> ast.stmt:
        return node
