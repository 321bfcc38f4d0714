"""Digest of code. A result on disk carries it, to show which code made the result."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def code_digest(*rooms: str) -> str:
    """Return the SHA-256 of the code of rooms. A room is a folder of this package.

    Comments, docstrings and layout are ignored. The files are read once per process.
    """
    digest = hashlib.sha256()
    for path in sorted(path for room in rooms for path in (PACKAGE / room).glob("*.py")):
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                del node.body[0]
        digest.update(ast.unparse(tree).encode())
    return digest.hexdigest()
