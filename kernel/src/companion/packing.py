"""Makes JSON of a message with long texts up to three times as quickly as Python's own encoder.

`json` copies a text sign by sign to find what has to be escaped: half of the time that an output of fifty megabytes
takes on its way. Here long texts are made into bytes first, and what has to be escaped is searched by whole passes over
them, as fast as memory is read. The bytes are the same.
"""

# In characters. What is shorter is left to `json`.
LONG = 1 << 14

# Stands for a text in the short message. A message that holds it itself is left to `json`.
MARK = "\x00datarus-text\x00"

# What has to be escaped, as `json.dumps` does it; the backslash first, since the others make some.
ESCAPES = {b"\\": b"\\\\", b'"': b'\\"', b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\f": b"\\f", b"\b": b"\\b"}
ESCAPES |= {bytes([sign]): b"\\u%04x" % sign for sign in range(32) if bytes([sign]) not in ESCAPES}

_PLAIN = bytes(sign for sign in range(256) if bytes([sign]) not in ESCAPES)


def packer(pack):
    """Returns a packer with the results of `pack`, which is `json.dumps` as `jupyter_client` calls it."""
    mark = pack(MARK)

    def pack_long(message):
        short, texts = without_long_texts(message)
        if not texts:
            return pack(message)
        pieces = pack(short).split(mark)
        try:
            escaped = [escape(text.encode("utf8", "surrogateescape")) for text in texts]
        except UnicodeEncodeError:
            return pack(message)
        if len(pieces) != len(escaped) + 1:
            return pack(message)
        parts = [pieces[0]]
        for text, piece in zip(escaped, pieces[1:]):
            parts += (b'"', text, b'"', piece)
        return b"".join(parts)

    return pack_long


def without_long_texts(message):
    """Returns a copy of a message's content with marks for its long texts, and those in order."""
    texts = []

    def taken(value, depth):
        if type(value) is str and len(value) >= LONG:
            texts.append(value)
            return MARK
        if type(value) is dict and depth > 0:
            return {key: taken(inner, depth - 1) for key, inner in value.items()}
        return value

    # The text of a stream; the texts of a display by type.
    return taken(message, 2), texts


def escape(raw):
    """Returns the bytes of a text as they stand in JSON, without the quotes."""
    special = raw.translate(None, _PLAIN)
    for sign, escaped in ESCAPES.items():
        if sign in special:
            raw = raw.replace(sign, escaped)
    return raw
