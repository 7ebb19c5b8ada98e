"""Finds the name of every action that the code writes to the audit trail, from its source.

An action is the first argument of the functions of `common.audit`. Where it is a parameter of the calling function,
that function's callers are searched in the same way, and so on.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[3]
APPS = ("common", "accounts", "livestreams", "edges", "bans", "reminders", "config")
WRITERS = ("record", "entry", "record_run", "record_many", "record_numbered")
type Definition = ast.FunctionDef | ast.AsyncFunctionDef
type Sink = tuple[str, str, str]  # module, function, parameter


@dataclass(frozen=True)
class Module:
    name: str
    tree: ast.Module = field(compare=False)

    @cached_property
    def functions(self) -> dict[str, Definition]:
        found = (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        return {node.name: node for node in found}

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Module and name that each imported name stands for."""
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        return found

    @cached_property
    def calls(self) -> list[tuple[Definition, ast.Call]]:
        """Each call with the innermost function that makes it."""
        found: dict[ast.Call, Definition] = {}
        for function in self.functions.values():
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    found[node] = function  # an inner function comes later in the walk of the module
        return [(function, call) for call, function in found.items()]


class Actions:
    """`names` are the actions, `unknown` the places where the source does not say which action it is."""

    def __init__(self) -> None:
        paths = (path for app in APPS for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts)
        modules = [Module(_module_name(path), ast.parse(path.read_text())) for path in paths]
        self._modules = {module.name: module for module in modules}
        self.names: dict[str, str] = {}  # with a place that writes it
        self.unknown: list[str] = []
        self._sinks: set[Sink] = set()
        for name in WRITERS:
            self._search(("common.audit", name, "action"))

    def _search(self, sink: Sink) -> None:
        if sink in self._sinks:
            return
        self._sinks.add(sink)
        for module in self._modules.values():
            for function, call in module.calls:
                if self._called(module, call) == sink[:2] and module.name != "common.audit":
                    argument = self._argument(call, sink)
                    if argument is not None:
                        self._resolve(module, function, argument)

    def _called(self, module: Module, call: ast.Call) -> tuple[str, str] | None:
        match call.func:
            case ast.Attribute(value=ast.Name(id="audit"), attr=name) if module.imported.get("audit") == (
                "common",
                "audit",
            ):
                return "common.audit", name
            case ast.Name(id=name) if name in module.imported:
                return module.imported[name]
            case ast.Name(id=name) if name in module.functions:
                return module.name, name
        return None

    def _argument(self, call: ast.Call, sink: Sink) -> ast.expr | None:
        source, name, parameter = sink
        for keyword in call.keywords:
            if keyword.arg == parameter:
                return keyword.value
        arguments = self._modules[source].functions[name].args
        place = [each.arg for each in arguments.posonlyargs + arguments.args].index(parameter)
        return call.args[place] if place < len(call.args) else None

    # --- values ---------------------------------------------------------------------------------

    def _resolve(self, module: Module, function: Definition | None, value: ast.expr) -> None:
        match value:
            case ast.Constant(value=str(name)):
                self.names.setdefault(name, f"{module.name}:{value.lineno}")
            case ast.IfExp():
                self._resolve(module, function, value.body)
                self._resolve(module, function, value.orelse)
            case ast.Call(func=ast.Name(id=name)) if name in module.functions:
                called = module.functions[name]
                for node in ast.walk(called):
                    if isinstance(node, ast.Return) and node.value is not None:
                        self._resolve(module, called, node.value)
            case ast.Subscript(value=ast.Name(id=name)):
                self._resolve_name(module, None, name, value)
            case ast.Dict():
                for each in value.values:
                    self._resolve(module, function, each)
            case ast.Name(id=name):
                self._resolve_name(module, function, name, value)
            case _:
                self.unknown.append(f"{module.name}:{value.lineno}: {ast.unparse(value)}")

    def _resolve_name(self, module: Module, function: Definition | None, name: str, at: ast.expr) -> None:
        if function is not None:
            arguments = function.args
            if name in {each.arg for each in arguments.posonlyargs + arguments.args + arguments.kwonlyargs}:
                self._search((module.name, function.name, name))
                return
        values = list(_assigned(name, function or module.tree)) or list(_assigned(name, module.tree))
        if not values and name in module.imported and module.imported[name][0] in self._modules:
            source, original = module.imported[name]
            self._resolve_name(self._modules[source], None, original, at)
            return
        for value in values:
            self._resolve(module, function, value)
        if not values:
            self.unknown.append(f"{module.name}:{at.lineno}: {name}")


def _assigned(name: str, within: ast.AST) -> Iterator[ast.expr]:
    """The values that are assigned to the name."""
    for node in ast.walk(within):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            if node.value is not None:
                yield node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    for one, value in zip(target.elts, node.value.elts, strict=True):
                        if isinstance(one, ast.Name) and one.id == name:
                            yield value


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
