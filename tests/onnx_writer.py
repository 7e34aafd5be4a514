"""Writes small ``.onnx`` files field by field, valid and not, for the tests of the reader."""

from caffe_writer import length, number, text


def tensor(name, dims=(), type=1, raw=None, fields=b""):
    """A TensorProto."""
    sizes = b"".join(number(1, n) for n in dims)
    return sizes + number(2, type) + text(8, name) + (length(9, raw) if raw is not None else b"") + fields


def ints(name, values):
    return text(1, name) + b"".join(number(8, n) for n in values) + number(20, 7)


def node(kind, inputs, outputs, attributes=(), name="", domain=""):
    """A NodeProto; ``attributes`` are AttributeProtos."""
    return (b"".join(text(1, word) for word in inputs) + b"".join(text(2, word) for word in outputs) + text(3, name)
            + text(4, kind) + b"".join(length(5, a) for a in attributes) + text(7, domain))


def value(name, dims):
    """A ValueInfoProto; a size that is a text is symbolic."""
    shape = b"".join(length(1, text(2, n) if isinstance(n, str) else number(1, n)) for n in dims)
    return text(1, name) + length(2, length(1, number(1, 1) + length(2, shape)))


def model(nodes=(), tensors=(), inputs=(), values=(), opset=17, metadata=()):
    """A ModelProto."""
    graph = b"".join(length(field, part) for field, parts in ((1, nodes), (5, tensors), (11, inputs), (13, values))
                     for part in parts)
    return (number(1, 8) + text(2, "test") + length(7, graph) + length(8, number(2, opset))
            + b"".join(length(14, text(1, key) + text(2, word)) for key, word in metadata))
