"""Writes a small MaxMind database of countries (MaxMind DB format 2.0): write(path, {"203.0.113.0/24": "JP"})."""
import ipaddress


def text(s):
    b = s.encode()
    assert len(b) < 29
    return bytes([2 << 5 | len(b)]) + b


def number(kind, n):
    b = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([kind << 5 | len(b)]) + b if kind < 8 else bytes([len(b), kind - 7]) + b


def value(v):
    if isinstance(v, str):
        return text(v)
    if isinstance(v, tuple):  # (type of the format, number)
        return number(*v)
    if isinstance(v, list):
        return bytes([len(v), 11 - 7]) + b"".join(map(value, v))
    return bytes([7 << 5 | len(v)]) + b"".join(text(k) + value(x) for k, x in v.items())


def write(path, countries):
    tree, data, at = [[None, None]], b"", {}
    for net, code in countries.items():
        if code not in at:
            at[code] = len(data)
            data += value({"country": {"iso_code": code}})
        block = ipaddress.ip_network(net)
        bits = f"{int(block.network_address):0{block.max_prefixlen}b}"[:block.prefixlen]
        bits = "0" * 96 + bits if block.version == 4 else bits
        node = 0
        for bit in map(int, bits[:-1]):
            if tree[node][bit] is None:
                tree.append([None, None])
                tree[node][bit] = len(tree) - 1
            node = tree[node][bit]
        tree[node][int(bits[-1])] = ("data", at[code])
    n = len(tree)

    def record(r):
        return n if r is None else n + 16 + r[1] if isinstance(r, tuple) else r

    out = b"".join(record(r).to_bytes(3, "big") for node in tree for r in node) + bytes(16) + data
    meta = {"node_count": (6, n), "record_size": (5, 24), "ip_version": (5, 6), "database_type": "Test-Country", "languages": ["en"],
            "binary_format_major_version": (5, 2), "binary_format_minor_version": (5, 0), "build_epoch": (9, 1700000000), "description": {"en": "a test"}}
    with open(path, "wb") as f:
        f.write(out + b"\xab\xcd\xefMaxMind.com" + value(meta))
