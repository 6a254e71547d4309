"""How schemathesis sends bodies that it knows no form for."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/gzip", "application/zstd")
def as_it_is(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
