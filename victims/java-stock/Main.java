import java.util.ArrayDeque;
import java.util.Deque;

/**
 * java-stock: keeps stock levels at hand for a shop, on the Java virtual machine.
 *
 * It shows: a connection that nobody closes and nobody refers to any more. The machine's cleaner closes it when the
 * next collection comes, so the count does not grow, and the line cannot be read from native frames.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        int port = 4101;
        double rate = 40;
        int every = 20;
        double seconds = 1e9;
        boolean fixed = false;
        for (int i = 0; i < arguments.length; ++i) {
            switch (arguments[i]) {
                case "--warehouse" -> port = Integer.parseInt(arguments[++i].replaceFirst(".*:", ""));
                case "--rate" -> rate = Double.parseDouble(arguments[++i]);
                case "--every" -> every = Integer.parseInt(arguments[++i]);
                case "--for" -> seconds = Double.parseDouble(arguments[++i].replaceFirst("s$", ""));
                case "--fixed" -> fixed = true;
                default -> throw new IllegalArgumentException(arguments[i]);
            }
        }
        Warehouse warehouse = new Warehouse(port, fixed);
        // Offers of the last minutes: what makes the collector come now and then.
        Deque<byte[]> offers = new ArrayDeque<>();
        long end = System.nanoTime() + (long) (seconds * 1e9);
        System.out.println("ready");
        for (int count = 1; System.nanoTime() < end; ++count) {
            Thread.sleep((long) (1000 / rate));
            warehouse.stock(count % every == 0 ? "moving-" + count : "article-" + count);
            offers.add(new byte[64 << 10]);
            if (offers.size() > 40) offers.remove();
        }
    }
}
