"""An xDS client of grpcio; see ../README.md for what it reads and prints."""

import sys

import grpc


def main() -> None:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        call = channel.unary_unary("/doyen.conformance.Backend/Call")
        for line in sys.stdin:
            _, seconds = line.split()
            try:
                print("ok", call(b"", timeout=float(seconds)).decode(), flush=True)
            except grpc.RpcError as error:
                message = " ".join(error.details().split())
                print("error", error.code().name, message, flush=True)


main()
