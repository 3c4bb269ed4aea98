import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/** An xDS client of grpc-java; see ../README.md for what it reads and prints. */
public final class Client {
  private static final MethodDescriptor<byte[], byte[]> CALL =
      MethodDescriptor.<byte[], byte[]>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("doyen.conformance.Backend/Call")
          .setRequestMarshaller(new Bytes())
          .setResponseMarshaller(new Bytes())
          .build();

  public static void main(String[] args) throws IOException {
    ManagedChannel channel =
        Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      System.out.println(call(channel, Long.parseLong(line.split(" ")[1])));
      System.out.flush();
    }
    channel.shutdownNow();
    System.exit(0);
  }

  private static String call(ManagedChannel channel, long seconds) {
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(seconds, TimeUnit.SECONDS);
    try {
      byte[] body = ClientCalls.blockingUnaryCall(channel, CALL, options, new byte[0]);
      return "ok " + new String(body, StandardCharsets.UTF_8);
    } catch (StatusRuntimeException e) {
      String message = String.valueOf(e.getStatus().getDescription()).replaceAll("\\s+", " ");
      return "error " + e.getStatus().getCode() + " " + message;
    }
  }

  /** Hands bodies through as they are. */
  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
