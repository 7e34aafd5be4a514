"""An assembler for the part of WebAssembly that ``gemm.wat`` uses: text in, the bytes of a module out.

A module is a list of sections; a function's body is its instructions in the order of a stack machine, so that the
operands of ``(op immediates… operands…)`` come before op. Format: WebAssembly core specification 2.0, chapters 5 and 6.
"""

import re
from collections.abc import Iterator
from typing import Any

TYPES = {"i32": 0x7F, "v128": 0x7B}

OPCODES = {
    "local.get": "20", "local.set": "21", "local.tee": "22", "i32.const": "41", "br_if": "0d",
    "loop": "03", "end": "0b", "i32.lt_u": "49", "i32.add": "6a", "i32.sub": "6b", "i32.shl": "74",
    "v128.load": "fd 00", "v128.load32_splat": "fd 09", "v128.store": "fd 0b", "f32x4.add": "fd e4 01",
    "f32x4.mul": "fd e6 01"}

#: log2 of the bytes that an access reads or writes, which is the alignment it expects. Others are slower, not wrong.
ALIGNMENT = {"v128.load": 4, "v128.store": 4, "v128.load32_splat": 2}


def assemble(text: str) -> bytes:
    """The bytes of a module with one imported memory and one exported function. Raises KeyError for unknown words."""
    kind, (_, importer, imported, memory), (_, export, *inside) = _parse(text)
    assert kind == "module" and memory[0] == "memory"
    declared = {word: [item for item in inside if item[0] == word] for word in ("param", "local")}
    body = [item for item in inside if item[0] not in declared]
    names = {item[1]: n for n, item in enumerate([*declared["param"], *declared["local"]])}
    types = [bytes([TYPES[item[2]]]) for item in declared["param"]]
    code = b"".join(_instruction(item, names, ()) for item in body) + bytes.fromhex(OPCODES["end"])
    local = [b"\1" + bytes([TYPES[item[2]]]) for item in declared["local"]]
    return b"\0asm\1\0\0\0" + b"".join(bytes([section]) + _sized(_vector(items)) for section, items in (
        (1, [b"\x60" + _vector(types) + _vector([])]),                                   # the function's type
        (2, [_name(importer) + _name(imported) + b"\2\0" + _unsigned(int(memory[1]))]),  # memory, so many pages or more
        (3, [b"\0"]),                                                                    # the function has type 0
        (7, [_name(export[1]) + b"\0\0"]),                                               # and is exported
        (10, [_sized(_vector(local) + code)])))


def _parse(text: str) -> Any:
    """Nested lists of words."""
    stack: list[list] = [[]]
    for word in re.findall(r'[()]|"[^"]*"|[^\s()"]+', re.sub(r";;.*", "", text)):
        if word == "(":
            stack.append([])
        elif word == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(word)
    return stack[0][0]


def _instruction(item, names, labels) -> bytes:
    """The operands, then the instruction with its immediate values. ``labels`` are those of the loops around it."""
    op, *rest = item
    words = [word for word in rest if isinstance(word, str)]
    operands = [part for part in rest if not isinstance(part, str)]
    code = bytes.fromhex(OPCODES[op])
    if op == "loop":  # without result: type 0x40
        inside = b"".join(_instruction(part, names, (words[0], *labels)) for part in operands)
        return code + b"\x40" + inside + bytes.fromhex(OPCODES["end"])
    before = b"".join(_instruction(part, names, labels) for part in operands)
    return before + code + b"".join(_immediates(op, words, names, labels))


def _immediates(op, words, names, labels) -> Iterator[bytes]:
    if op.startswith("local."):
        yield _unsigned(names[words[0]])
    elif op == "br_if":
        yield _unsigned(labels.index(words[0]))  # 0 is the innermost loop
    elif op == "i32.const":
        value = int(words[0])
        assert 0 <= value < 64, "signed LEB128 of one byte"
        yield bytes([value])
    elif op in ALIGNMENT:
        yield bytes([ALIGNMENT[op]]) + _unsigned(int(words[0].removeprefix("offset=")) if words else 0)


def _unsigned(n: int) -> bytes:
    """LEB128: seven bits per byte, the lowest first."""
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + _unsigned(n >> 7)


def _sized(part: bytes) -> bytes:
    return _unsigned(len(part)) + part


def _vector(items: list[bytes]) -> bytes:
    return _unsigned(len(items)) + b"".join(items)


def _name(quoted: str) -> bytes:
    return _sized(quoted.strip('"').encode())
