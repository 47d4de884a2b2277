import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;

/** Stock levels of another team's service, a connection for each question. */
final class Warehouse {
    private final int port;
    private final boolean fixed;

    Warehouse(int port, boolean fixed) {
        this.port = port;
        this.fixed = fixed;
    }

    /** Empty while the article's shard is being moved. */
    OptionalInt stock(String article) throws IOException {
        Socket connection = new Socket(InetAddress.getLoopbackAddress(), port);
        connection.setSoTimeout(5000);
        connection.getOutputStream().write(("STOCK " + article + "\n").getBytes(StandardCharsets.US_ASCII));
        BufferedReader answers =
            new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.US_ASCII));
        String answer = answers.readLine();
        if (answer == null) {
            connection.close();
            throw new IOException("the warehouse hung up");
        }
        String[] words = answer.split(" ");
        if (words[0].equals("MOVED")) {
            if (fixed) connection.close();
            return OptionalInt.empty();
        }
        connection.close();
        return OptionalInt.of(Integer.parseInt(words[1]));
    }
}
